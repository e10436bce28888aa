import HubContract
import HubEngine
import Logging
import Platform
import ProvisioningEngine

extension ProvisioningService {
  /// Takes the steps of an operation until it has its answer; `first` is nil where it has to be read.
  ///
  /// Nobody awaits the task: what is left when the process ends goes on at the next start.
  func takeSteps(of id: String, from first: ProvisioningAction?) {
    Task {
      var next = first
      var pause = Duration.milliseconds(100)
      while true {
        do throws(HubError) {
          if next == nil {
            next = try store.readNow { view throws(HubError) in try view.nextAction(id) }
          }
          guard let action = next else { return }
          let result = await perform(action.step)
          let now = Timestamp(ticks: SystemClock.wallTicks())
          next = try await store.write { engine throws(HubError) in
            _ = try engine.record(result, for: id, attempt: action.attempt, now: now)
            return try engine.nextAction(id)
          }
          guard next != nil else { return }
          guard case .unavailable = result else {
            pause = .milliseconds(100)
            continue
          }
        } catch {
          logger.error("provisioning step failed", metadata: ["error": "\(error)"])
          guard error.code == .serverError || error.code == .serviceUnavailable else { return }
        }
        do {
          try await Pause.sleep(for: pause)
        } catch {
          return
        }
        pause = min(pause * 2, .seconds(30))
        // The device may have asked again meanwhile.
        next = nil
      }
    }
  }

  private func perform(_ step: ProvisioningAction.Step) async -> ProvisioningResult {
    switch step {
    case .allocate(let webhook, let body):
      return await AllocationWebhook(client: client).ask(webhook, body: body)
    case .issue(let request, let name, let registrationID):
      let now = Timestamp(ticks: SystemClock.wallTicks())
      let result: ProvisioningResult
      if let outside = authorities[name] {
        result = await outside.issue(request, to: registrationID, now: now)
      } else if name == DeviceIssuer.name {
        result = issuer.issue(request, to: registrationID, now: now)
      } else {
        let error = "There is no certificate authority \(name) here any more."
        result = .refused(HubError(.argumentInvalid, error))
      }
      if case .issued(let certificate) = result {
        logger.info(
          "certificate issued",
          metadata: [
            "authority": "\(name)",
            "registration": "\(registrationID)", "thumbprint": "\(certificate.thumbprint.hex)",
          ]
        )
      }
      return result
    case .inspect(let name, _), .detach(let name, _), .install(let name, _), .remove(let name, _),
      .withdraw(let name, _, _), .reattach(let name, _):
      if let other = linked[name] { return await other.perform(step) }
      // A hub that is linked no more has nothing that could be waited for.
      guard name == hubName else {
        switch step {
        case .inspect: return .inspected(nil)
        case .detach: return .detached(nil)
        case .install:
          return .refused(HubError(.argumentInvalid, "The hub is no longer linked."))
        case .allocate, .issue, .remove, .withdraw, .reattach: return .done
        }
      }
      return await answer { engine, now throws(HubError) in
        try engine.perform(step, now: now)
      }
    }
  }

  private func answer(
    _ command:
      @escaping @Sendable (
        inout HubStore.Engine, Timestamp
      ) throws(HubError) -> ProvisioningResult
  ) async -> ProvisioningResult {
    let now = Timestamp(ticks: SystemClock.wallTicks())
    do throws(HubError) {
      return try await hub.write { engine throws(HubError) in try command(&engine, now) }
    } catch {
      return error.code.httpStatus >= 500 ? .unavailable : .refused(error)
    }
  }
}
