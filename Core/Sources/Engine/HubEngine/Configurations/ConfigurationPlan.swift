public import HubContract
public import JSONTree

/// A change of the configurations that is looked at before it is made.
public enum ConfigurationIntent: Sendable {
  /// The configuration is created, or changed where it exists.
  case put(ConfigurationRequest)
  /// The configuration of this ID is deleted.
  case delete(String)

  /// The configuration's ID.
  public var configurationID: String {
    switch self {
    case .put(let request): request.id
    case .delete(let id): id
    }
  }
}

/// What a change of the configurations would do to the twins: a page of it.
public struct ConfigurationPlan: Equatable, Sendable {
  /// What would happen to the configuration itself.
  public enum Action: String, Sendable, CaseIterable {
    /// It is new.
    case create
    /// It exists, and is changed.
    case update
    /// It goes.
    case delete
  }

  /// What would happen to one twin.
  public struct Change: Equatable, Sendable {
    /// Whose twin.
    public var key: IdentityKey
    /// Whether the module does not exist yet and would be created.
    public var isCreated = false
    /// How configurations stand to the twin, before and afterwards, where that differs.
    public var statuses: [Status] = []
    /// The patch of the desired properties; empty if they stay.
    public var desired = JSONObject()
    /// Why the twin cannot hold it, so that it stays as it is.
    public var refusal: String?
    /// Modules that an edge device would run anew.
    public var starts: [String] = []
    /// Modules that it would run with another specification.
    public var restarts: [String] = []
    /// Modules that it would no longer run.
    public var stops: [String] = []
    /// Devices directly below an edge device whose modules change; nil for other twins.
    public var childCount: Int?
    /// Whether such an edge device's agent is connected, so that it hears of it at once.
    public var isConnected: Bool?

    /// Whether nothing would happen.
    var isEmpty: Bool {
      !isCreated && statuses.isEmpty && desired.isEmpty && refusal == nil
    }
  }

  /// How one configuration stands to a twin.
  public struct Status: Equatable, Sendable {
    /// Its ID.
    public var configurationID: String
    /// Before, nil if it did not target the twin.
    public var before: ConfigurationState.Status?
    /// Afterwards.
    public var after: ConfigurationState.Status?
  }

  /// The configuration.
  public var configurationID: String
  /// What would happen to it.
  public var action: Action
  /// Devices of this page that it targets, before or afterwards.
  public var deviceCount = 0
  /// The twins of this page that would change, in the order of their keys.
  public var changes: [Change] = []
  /// Where the next page begins, nil at the end.
  public var continuation: String?

  /// The object of answers.
  public var json: JSONValue {
    [
      "configurationId": .string(configurationID), "action": .string(action.rawValue),
      "deviceCount": .int(Int64(clamping: deviceCount)),
      "changes": .array(changes.map { .object($0.json) }),
    ]
  }
}

extension ConfigurationPlan.Change {
  fileprivate var json: JSONObject {
    var object: JSONObject = ["deviceId": .string(key.deviceID)]
    object["moduleId"] = key.moduleID.map { .string($0) }
    object["isCreated"] = isCreated ? true : nil
    var configurations = JSONObject()
    for status in statuses {
      configurations[status.configurationID] = [
        "before": status.before.map { .string($0.rawValue) } ?? .null,
        "after": status.after.map { .string($0.rawValue) } ?? .null,
      ]
    }
    object["configurations"] = .object(configurations)
    object["desired"] = .object(desired)
    object["childCount"] = childCount.map { .int(Int64(clamping: $0)) }
    object["isConnected"] = isConnected.map { .bool($0) }
    object["refusal"] = refusal.map { .string($0) }
    for (name, modules) in [("starts", starts), ("restarts", restarts), ("stops", stops)]
    where !modules.isEmpty {
      object[name] = .array(modules.map { .string($0) })
    }
    return object
  }

  /// Notes what the agent of an edge device does when its desired properties become `wanted`.
  mutating func noteModules(from present: JSONObject, to wanted: JSONObject) {
    let old = present.deployedModules
    let new = wanted.deployedModules
    for (name, module) in new {
      guard let before = old[name] else {
        starts.append(name)
        continue
      }
      if before != module { restarts.append(name) }
    }
    stops = old.keys.filter { !new.contains($0) }
  }
}

extension JSONObject {
  /// The modules that desired properties of `$edgeAgent` name, the system's own among them.
  fileprivate var deployedModules: JSONObject {
    var modules = JSONObject()
    for section in ["systemModules", "modules"] {
      for (name, module) in self[section]?.objectValue ?? JSONObject() { modules[name] = module }
    }
    return modules
  }
}
