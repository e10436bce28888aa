import EdgeEngine
import Endpoints
import JSONTree
import Platform

extension EdgeCheck {
  static let configuration: [EdgeCheck] = [
    EdgeCheck("config-well-formed", .configuration, "the settings file can be used") { box in
      do throws(SettingsFault) {
        let settings = try box.readSettings.get()
        guard let notice = settings.notices.first else { return .ok(settings.file) }
        return .ok("\(settings.file); \(notice)")
      } catch {
        return .error(
          error.problem,
          remedy: error.remedy ?? "Mend the file; 'orrery-edge config check' reads it again."
        )
      }
    },
    EdgeCheck("config-up-to-date", .configuration, "what runs has the present settings") { box in
      let settings = try box.settings
      guard let changed = box.ports.changed(settings.file) else {
        return .skipped("\(settings.file) cannot be looked at")
      }
      let processes = try box.processes().filter { $0.isRunning }
      let late = processes.filter { box.ports.now() - $0.seconds < changed }.map(\.role)
      guard !late.isEmpty else { return .ok() }
      return .warning(
        "\(settings.file) was changed after the start of \(late.joined(separator: ", "))",
        remedy: "Let it take effect: orrery-edge system restart"
      )
    },
    EdgeCheck(
      "hostname",
      .configuration,
      "leaf devices can find this machine by its name",
      hostname
    ),
    EdgeCheck("parent_hostname", .configuration, "the parent edge can be found") { box in
      guard let parent = try box.settings.parentHostName else {
        return .skipped("there is no parent_hostname: the hub is above this device")
      }
      do throws(CheckFault) {
        return .ok(try await box.ports.addresses(of: parent).joined(separator: ", "))
      } catch {
        return .error(
          "\(parent) has no address: \(error)",
          remedy: "Set parent_hostname to a name that this machine can resolve, or mend the DNS."
        )
      }
    },
    EdgeCheck("connect-management-uri", .configuration, "the management API answers") { box in
      do throws(LocalClient.Failure) {
        _ = try await box.ports.ask(box.paths.managementSocket, ["systeminfo"])
        return .ok(box.paths.managementSocket)
      } catch {
        return .error(
          error.description,
          remedy: "Look at the agent: orrery-edge system status, orrery-edge system logs agent."
        )
      }
    },
    EdgeCheck("aziot-version", .configuration, "the running supervisor is of this version") { box in
      let running: String
      do throws(SupervisorClient.Failure) {
        running = try box.ports.supervisor()["version"]?.stringValue ?? "unknown"
      } catch {
        return .skipped(error.description)
      }
      return version(running, "aziot-version", box)
    },
    EdgeCheck("aziot-edge-version", .configuration, "the running agent is of this version") { box in
      let answer: JSONValue
      do throws(LocalClient.Failure) {
        answer = try await box.ports.ask(box.paths.managementSocket, ["systeminfo"])
      } catch {
        return .skipped(error.description)
      }
      return version(answer["version"]?.stringValue ?? "unknown", "aziot-edge-version", box)
    },
    EdgeCheck("host-local-time", .configuration, "this machine's clock is right") { box in
      let seconds: Double
      do throws(CheckFault) {
        seconds = try await box.ports.clockError(box.options.ntpServer)
      } catch {
        return .warning(
          "the time server \(box.options.ntpServer) cannot be asked: \(error)",
          remedy: "Name one that this machine reaches: --ntp-server HOST[:PORT]"
        )
      }
      return clock(seconds, "this machine's clock", "Let it follow a time server (timedatectl).")
    },
    EdgeCheck(
      "edge-agent-storage-mounted-from-host",
      .configuration,
      "what the agent keeps survives a loss of power",
      { box in storage(.agent, box) }
    ),
    EdgeCheck(
      "edge-hub-storage-mounted-from-host",
      .configuration,
      "what the local hub keeps survives a loss of power",
      { box in storage(.hub, box) }
    ),
    EdgeCheck("check-agent-image", .configuration, "the agent's image can be had") { box in
      _ = try box.settings
      return .skipped("the agent is a process of this program, no image")
    },
    EdgeCheck("proxy-settings", .configuration, "all use the same proxy", proxy),
  ]

  @Sendable
  private static func hostname(_ box: CheckSubject) async throws -> CheckOutcome {
    let name = try box.settings.hostName
    let own = box.ports.ownAddresses
    if own.contains(name) { return .ok("\(name) is an address of this machine") }
    guard name.utf8.count <= 64 else {
      return .warning(
        "\(name) has more than 64 characters, and old clients look at the common name alone",
        remedy: "Set a shorter hostname, and give the long one in hostname_aliases."
      )
    }
    let remedy =
      "Set hostname to a name or address by which leaf devices reach this machine, and more of them in "
      + "hostname_aliases."
    let found: [String]
    do throws(CheckFault) {
      found = try await box.ports.addresses(of: name)
    } catch {
      return .warning("\(name) has no address here: \(error)", remedy: remedy)
    }
    guard found.contains(where: { own.contains($0) }) else {
      return .error(
        "\(name) is \(found.joined(separator: ", ")), which is no address of this machine",
        remedy: remedy
      )
    }
    guard name != "localhost" else {
      return .warning("\(name) reaches this machine from itself alone", remedy: remedy)
    }
    return .ok(name)
  }

  private static func version(_ running: String, _ id: String, _ box: CheckSubject) -> CheckOutcome
  {
    let own = EdgeVersion.runtime.version
    guard running == own else {
      return .warning(
        "version \(running) runs, and \(own) is installed",
        remedy: "Restart the edge, so that the installed version runs."
      )
    }
    guard let expected = box.options.expectedVersions[id] else { return .ok(running) }
    guard running == expected else {
      return .warning(
        "version \(running) runs, and \(expected) is expected",
        remedy: "Install version \(expected), or look which one you want."
      )
    }
    return .ok(running)
  }

  static func clock(_ seconds: Double, _ whose: String, _ remedy: String) -> CheckOutcome {
    let shown = Int64(clamping: Int(exactly: seconds.rounded()) ?? .max)
    guard abs(seconds) > 10 else { return .ok("it differs by less than 10 s") }
    let text = "\(whose) is \(shown.magnitude) s \(seconds > 0 ? "behind" : "ahead")"
    // Tokens of an hour, certificates with a margin: beyond that the hub above refuses both.
    return abs(seconds) > 300 ? .error(text, remedy: remedy) : .warning(text, remedy: remedy)
  }

  /// File systems that are gone with the power, or with the container that this runs in.
  private static let volatileKinds = [
    "tmpfs": "in memory (tmpfs)", "ramfs": "in memory (ramfs)",
    "overlay": "in a container's own layer (overlay)",
  ]

  private static func storage(_ role: EdgeRole, _ box: CheckSubject) -> CheckOutcome {
    let path = box.paths.data(of: role)
    guard let kind = box.ports.fileSystem(path) else {
      return .skipped("\(path) cannot be looked at: it does not exist, or takes root")
    }
    guard let words = volatileKinds[kind] else { return .ok(path) }
    return .warning(
      "\(path) is \(words)",
      remedy: "Name a directory on a disk with --data, or mount one there."
    )
  }

  @Sendable
  private static func proxy(_ box: CheckSubject) async throws -> CheckOutcome {
    let settings = try box.settings
    let host = await box.hubHost() ?? "hub.invalid"
    let own: HTTPProxy?
    do throws(SettingsFault) {
      own = try box.proxy(settings, for: host)
    } catch {
      return .error(error.problem, remedy: "Write it as http://[user:password@]host:port.")
    }
    let shown = own.map { "\($0)" } ?? "none"
    for process in (try? box.processes()) ?? [] {
      guard let id = process.id, let variables = box.ports.variables(of: id) else { continue }
      let theirs = try? HTTPProxy.from(variables, for: host)
      guard theirs != own else { continue }
      return .warning(
        "here the proxy is \(shown), and for \(process.role) \(theirs.map { "\($0)" } ?? "none")",
        remedy: "Set https_proxy in the environment of the service, and restart it."
      )
    }
    return .ok(shown == "none" ? "no proxy" : shown)
  }
}

extension CheckSubject {
  /// A process of the edge, as the supervisor tells it.
  struct Process {
    let role: String
    let id: Int64?
    /// Since its start.
    let seconds: Int64
    let restarts: Int64
    let lastEnding: String?

    var isRunning: Bool { id != nil }
  }

  /// The processes.
  ///
  /// - Throws: the outcome of a check that needs them, where nobody supervises.
  func processes() throws -> [Process] {
    let answer: JSONValue
    do throws(SupervisorClient.Failure) {
      answer = try ports.supervisor()
    } catch {
      throw CheckOutcome.skipped(error.description)
    }
    return (answer["processes"]?.arrayValue ?? []).map { process in
      Process(
        role: process["role"]?.stringValue ?? "",
        id: process["pid"]?.int64Value,
        seconds: process["seconds"]?.int64Value ?? 0,
        restarts: process["restarts"]?.int64Value ?? 0,
        lastEnding: process["lastEnding"]?.stringValue
      )
    }
  }

  /// The proxy of the options or of the environment.
  func proxy(_ settings: EdgeSettings, for host: String) throws(SettingsFault) -> HTTPProxy? {
    guard let uri = options.proxyURI else { return try settings.proxy(ports.variables, for: host) }
    do throws(HTTPProxyFault) {
      return try HTTPProxy(uri)
    } catch {
      throw SettingsFault("--proxy-uri: \(error)")
    }
  }
}
