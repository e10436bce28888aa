import Containers
import HubContract
import JSONTree
import Platform

extension EdgeCheck {
  static let engine: [EdgeCheck] = [
    EdgeCheck("container-engine-uri", .configuration, "the container engine answers") { box in
      let settings = try box.settings
      do throws(RuntimeFault) {
        let version = try await box.ports.engine(.version, settings)
        return .ok("version \(version["Version"]?.stringValue ?? "unknown")")
      } catch {
        let remedy =
          "Install and start an engine (docker.io), or set uri in [moby_runtime]; its socket must be "
          + "open to the agent's user. With uri = \"crun:\" install crun."
        guard await box.usesContainers() else {
          return .warning(
            "\(error.description) No module that is deployed needs one",
            remedy: "With modules of type process alone nothing has to be done. " + remedy
          )
        }
        return .error(error.description, remedy: remedy)
      }
    },
    EdgeCheck("container-local-time", .configuration, "the engine's clock is right") { box in
      let information = try await box.engine(.information)
      guard let text = information["SystemTime"]?.stringValue, let time = Self.seconds(text) else {
        return .skipped("the engine does not tell its time")
      }
      return clock(
        Double(box.ports.now() - time),
        "the engine's clock, against this machine's,",
        "Give the engine's machine the right time; containers have its clock."
      )
    },
    EdgeCheck("container-engine-dns", .configuration, "containers ask a DNS server of yours") {
      box in
      let file = try await box.engineFile()
      guard file["dns"]?.arrayValue?.isEmpty == false else {
        return .warning(
          "\(box.options.engineSettings) names no DNS server: containers ask a public one where the "
            + "machine's own is on loopback",
          remedy: "Add \"dns\": [\"<address>\"] there and restart the engine."
        )
      }
      return .ok()
    },
    EdgeCheck("container-engine-ipv6", .configuration, "engine and settings agree on IPv6") { box in
      let settings = try box.settings
      let file = try await box.engineFile()
      let isOn = file["ipv6"]?.boolValue == true
      switch (settings.containerEngine.hasIPv6, isOn) {
      case (true, false):
        return .error(
          "moby_runtime.network has ipv6 = true, and the engine has it switched off",
          remedy: "Add \"ipv6\": true and \"fixed-cidr-v6\" to \(box.options.engineSettings)."
        )
      case (false, true):
        return .warning(
          "the engine has IPv6 switched on, and moby_runtime.network has not",
          remedy:
            "Set network = { name = \"…\", ipv6 = true } in [moby_runtime], if modules need it."
        )
      default: return .ok(isOn ? "IPv6 is on" : "IPv6 is off")
      }
    },
    EdgeCheck("container-engine-logrotate", .configuration, "logs of containers stay small") {
      box in
      let file = try await box.engineFile()
      let driver = file["log-driver"]?.stringValue
      guard
        ["journald", "local", "none"].contains(driver ?? "")
          || file["log-opts"]?["max-size"]?.stringValue != nil
      else {
        return .warning(
          "nothing in \(box.options.engineSettings) keeps the logs of containers from filling the disk",
          remedy: "Add \"log-driver\": \"json-file\", \"log-opts\": {\"max-size\": \"10m\", "
            + "\"max-file\": \"3\"} there and restart the engine."
        )
      }
      return .ok(driver)
    },
  ]

  /// The seconds of a time with nanoseconds, as engines write it.
  private static func seconds(_ text: String) -> Int64? {
    let whole = text.prefix { $0 != "." }
    let zone = text.dropFirst(whole.count).drop { $0 == "." || $0.isNumber }
    return Timestamp(iso8601: String(whole) + String(zone))?.seconds
  }
}

extension CheckSubject {
  /// Asks the engine.
  ///
  /// - Throws: the outcome of a check that needs it, where there is none.
  func engine(_ question: DockerRuntime.Question) async throws -> JSONValue {
    let settings = try settings
    guard settings.containerEngine.crunPath == nil else {
      throw CheckOutcome.skipped("modules are run by crun, without an engine")
    }
    do throws(RuntimeFault) {
      return try await ports.engine(question, settings)
    } catch {
      throw CheckOutcome.skipped("no container engine answers; see container-engine-uri")
    }
  }

  /// The engine's own settings, empty without a file.
  ///
  /// - Throws: the outcome of a check that needs them, where there is no engine or they are no JSON.
  func engineFile() async throws -> JSONValue {
    _ = try await engine(.version)
    let bytes: [UInt8]
    do throws(FileFault) {
      bytes = try ports.read(options.engineSettings)
    } catch {
      guard error.isMissing else { throw CheckOutcome.skipped("\(error)") }
      return [:]
    }
    guard let file = try? JSON.parse(bytes), file.objectValue != nil else {
      throw CheckOutcome.error(
        "\(options.engineSettings) is no JSON object, and the engine will not start with it",
        remedy: "Mend it, or name the right file with --container-engine-config-file."
      )
    }
    return file
  }

  /// Whether some module that is deployed is a container.
  func usesContainers() async -> Bool {
    let answer = try? await ports.ask(paths.managementSocket, ["modules"])
    return answer?["modules"]?.arrayValue?.contains { $0["type"] == "docker" } ?? false
  }
}
