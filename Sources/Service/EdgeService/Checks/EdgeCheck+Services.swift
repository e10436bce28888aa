import Endpoints
import HubContract
import JSONTree
import Platform

extension EdgeCheck {
  static let services: [EdgeCheck] = [
    running("keyd-running", .keys, "the keys process runs"),
    EdgeCheck("certd-running", .services, "certificates can be had") { box in
      try await box.answers(box.paths.workloadSocket(of: ModuleID.edgeHub), ["trust-bundle"])
    },
    EdgeCheck("tpmd-running", .services, "the TPM is there", chip),
    EdgeCheck("identityd-running", .services, "identities can be had, and the device is known") {
      box in
      try await box.answers(box.paths.identitySocket, ["identities"])
    },
    running("agent-running", .agent, "the agent runs"),
    running("hub-running", .hub, "the local hub runs"),
  ]

  @Sendable
  private static func chip(_ box: CheckSubject) async throws -> CheckOutcome {
    guard case .service(let service) = try box.settings.provisioning,
      case .chip(let chip) = service.proof
    else { return .skipped("no TPM proves who the device is") }
    switch chip.address {
    case .device(let path), .unix(let path):
      guard box.ports.changed(path) != nil else {
        return .error(
          "there is no TPM at \(path), or this user may not look",
          remedy:
            "Switch it on in the firmware, or set tcti in [tpm]; its device must be open to the "
            + "keys process."
        )
      }
      return .ok(path)
    case .tcp: return .skipped("it is reached over TCP; see identityd-running")
    }
  }

  /// A process younger than this that has been started again is one that does not live.
  private static let youngSeconds: Int64 = 60

  private static func running(_ id: String, _ role: EdgeRole, _ title: String) -> EdgeCheck {
    EdgeCheck(id, .services, title) { box in
      do throws(SupervisorClient.Failure) {
        _ = try box.ports.supervisor()
      } catch {
        guard !error.isForbidden else { return .skipped(error.description) }
        return .error(error.description, remedy: error.remedy ?? "Start 'orrery-edge run'.")
      }
      guard let process = try box.processes().first(where: { $0.role == role.rawValue }) else {
        return .error(
          "the supervisor knows no \(role.rawValue)",
          remedy: "Update it: restart the edge."
        )
      }
      let why = "orrery-edge system logs \(role.rawValue) says why."
      let last = process.lastEnding.map { "; the last one \($0)" } ?? ""
      guard process.isRunning else { return .error("it does not run\(last)", remedy: why) }
      guard process.restarts > 0, process.seconds < youngSeconds else {
        return .ok("for \(process.seconds) s, restarts: \(process.restarts)")
      }
      return .warning(
        "it began \(process.seconds) s ago, after \(process.restarts) restarts\(last)",
        remedy: why
      )
    }
  }
}

extension CheckSubject {
  /// Whether one of the edge's own sockets answers.
  fileprivate func answers(_ socket: String, _ path: [String]) async throws -> CheckOutcome {
    do throws(LocalClient.Failure) {
      _ = try await ports.ask(socket, path)
      return .ok()
    } catch {
      return .error(
        error.description,
        remedy: error.status == 503
          ? "The hub above has to be reached once: see the checks of connectivity."
          : "Look at the keys process: orrery-edge system status, orrery-edge system logs keys."
      )
    }
  }
}
