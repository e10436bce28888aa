public import HubContract
public import JSONTree

/// Which build of the runtime this is, as both system modules report it.
public struct RuntimeVersion: Equatable, Sendable {
  /// The version, the build and the commit.
  public let version, build, commit: String

  /// Creates a version.
  public init(version: String, build: String = "", commit: String = "") {
    (self.version, self.build, self.commit) = (version, build, commit)
  }

  var json: JSONValue {
    ["version": .string(version), "build": .string(build), "commit": .string(commit)]
  }
}

/// The machine, as the agent reports it.
public struct RuntimePlatform: Equatable, Sendable {
  /// The operating system, the processor's architecture and the engine's version.
  public let os, architecture, version: String

  /// Creates a description.
  public init(os: String, architecture: String, version: String) {
    (self.os, self.architecture, self.version) = (os, architecture, version)
  }

  var json: JSONValue {
    [
      "os": .string(os), "architecture": .string(architecture), "version": .string(version),
    ]
  }
}

/// Which desired properties were looked at last, and what became of them.
public struct LastDesired: Equatable, Sendable {
  /// Their `$version`.
  public var version: Int64
  /// What became of them.
  public var status: DesiredStatus

  /// Creates a pair.
  public init(version: Int64, status: DesiredStatus) {
    (self.version, self.status) = (version, status)
  }

  /// The two members of reported properties.
  public var members: JSONObject {
    ["lastDesiredVersion": .int(version), "lastDesiredStatus": status.json]
  }
}

extension Agent {
  /// The reported properties of `$edgeAgent` (edge contract section 2.7).
  public func report(
    _ machine: [ModuleObservation],
    lastDesired: LastDesired,
    platform: RuntimePlatform,
    version: RuntimeVersion,
    now: Timestamp
  ) -> JSONObject {
    var report: JSONObject = ["schemaVersion": "1.0", "version": version.json]
    for (key, value) in lastDesired.members { report[key] = value }
    report["runtime"] = runtimeReport(platform)
    var system = JSONObject()
    var modules = JSONObject()
    for module in machine.sorted(by: { $0.name < $1.name }) {
      switch module.name {
      case ModuleConfiguration.edgeAgent: system[module.name] = .object(agentReport(module))
      case ModuleConfiguration.edgeHub: system[module.name] = .object(moduleReport(module, now))
      default: modules[module.name] = .object(moduleReport(module, now))
      }
    }
    report["systemModules"] = .object(system)
    report["modules"] = .object(modules)
    return report
  }

  private func runtimeReport(_ platform: RuntimePlatform) -> JSONValue {
    guard let runtime = configuration?.runtime else { return ["platform": platform.json] }
    let credentials = runtime.registryCredentials.map { credential in
      // The password is nobody's business who may read a twin (edge contract section 16, DIFF 4).
      let value: JSONValue = [
        "address": .string(credential.address), "username": .string(credential.username),
        "password": "***",
      ]
      return (key: credential.name, value: value)
    }
    return [
      "type": .string(runtime.kind.rawValue),
      "settings": [
        "minDockerVersion": .string(runtime.minDockerVersion),
        "loggingOptions": .string(runtime.loggingOptions),
        "registryCredentials": .object(JSONObject(credentials)),
      ],
      "platform": platform.json,
    ]
  }

  /// What is reported of `edgeAgent`, which nobody starts or stops.
  private func agentReport(_ module: ModuleObservation) -> JSONObject {
    let configuration = configuration?.edgeAgent
    var report: JSONObject = ["type": .string((configuration?.kind ?? .docker).rawValue)]
    observed(module, module.status, into: &report)
    report["imagePullPolicy"] = .string((configuration?.imagePullPolicy ?? .onCreate).rawValue)
    return report
  }

  private func moduleReport(_ module: ModuleObservation, _ now: Timestamp) -> JSONObject {
    let record = records[module.name]
    var report = record?.configuration.statedMembers ?? ["type": "docker"]
    observed(module, status(of: module, now: now), into: &report)
    report["restartCount"] = .int(Int64(record?.restartCount ?? 0))
    report["lastRestartTimeUtc"] = .string((record?.lastRestart ?? .never).iso8601)
    return report
  }

  private func observed(
    _ module: ModuleObservation,
    _ status: RuntimeStatus,
    into report: inout JSONObject
  ) {
    var settings: JSONObject = [
      "image": .string(module.image), "imageHash": .string(module.imageHash),
    ]
    for (key, value) in module.createOptions.members { settings[key] = value }
    report["settings"] = .object(settings)
    report["env"] = ModuleConfiguration.json(module.environment)
    report["exitCode"] = .int(module.exitCode)
    report["statusDescription"] = .string(module.statusDescription)
    report["lastStartTimeUtc"] = .string((module.lastStart ?? .never).iso8601)
    report["lastExitTimeUtc"] = .string((module.lastExit ?? .never).iso8601)
    report["runtimeStatus"] = .string(status.rawValue)
  }

  /// The status of a module with what the restart rule adds (edge contract section 3.5).
  public func status(of module: ModuleObservation, now: Timestamp) -> RuntimeStatus {
    guard let record = records[module.name], record.configuration.status == .running else {
      return module.status
    }
    switch restartRule.decide(module, record, agentStart: start, now: now) {
    case .wait: return .backoff
    case .exhausted: return .failed
    case .leave, .start, .restart: return module.status
    }
  }
}

extension JSONObject {
  /// A report of `$edgeAgent` after an orderly end: nothing is known of any module (edge contract
  /// section 2.7, rule 5).
  public func afterShutdown() -> JSONObject {
    var report = self
    report["lastDesiredStatus"] = DesiredStatus(.notRunning).json
    for section in ["systemModules", "modules"] {
      guard var modules = report[section]?.objectValue else { continue }
      for name in modules.keys {
        guard var module = modules[name]?.objectValue else { continue }
        module["runtimeStatus"] = .string(RuntimeStatus.unknown.rawValue)
        modules[name] = .object(module)
      }
      report[section] = .object(modules)
    }
    return report
  }
}
