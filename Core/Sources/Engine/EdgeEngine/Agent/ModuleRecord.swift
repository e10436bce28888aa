public import HubContract
public import JSONTree

/// What is kept of a module between passes and over restarts of the agent.
public struct ModuleRecord: Equatable, Sendable {
  /// What was deployed.
  public var configuration: ModuleConfiguration
  /// How often it was restarted since it last ran well for a while.
  public var restartCount: UInt32
  /// When it was restarted last.
  public var lastRestart: Timestamp?

  /// Creates a record.
  public init(
    _ configuration: ModuleConfiguration,
    restartCount: UInt32 = 0,
    lastRestart: Timestamp? = nil
  ) {
    self.configuration = configuration
    self.restartCount = restartCount
    self.lastRestart = lastRestart
  }
}

extension ModuleRecord {
  /// The form in which records are kept.
  public static func json(_ records: [String: ModuleRecord]) -> JSONValue {
    .object(
      JSONObject(
        records.sorted { $0.key < $1.key }.map { (key: $0.key, value: .object($0.value.json)) }
      )
    )
  }

  private var json: JSONObject {
    var members: JSONObject = [
      "configuration": .object(configuration.json), "restartCount": .int(Int64(restartCount)),
    ]
    if let lastRestart { members["lastRestart"] = .string(lastRestart.iso8601) }
    return members
  }

  /// Reads what `json` wrote; a module whose record cannot be read has none, and is adopted if it is
  /// as wanted, else made anew.
  public static func records(_ json: JSONValue) -> [String: ModuleRecord] {
    var records: [String: ModuleRecord] = [:]
    for (name, value) in json.objectValue ?? [:] { records[name] = ModuleRecord(name, value) }
    return records
  }

  private init?(_ name: String, _ json: JSONValue) {
    var warnings: [String] = []
    guard let members = json["configuration"],
      let fields = try? BodyFields(members),
      let configuration = try? ModuleConfiguration(name, fields, .user, warnings: &warnings),
      let count = json["restartCount"]?.int64Value, let restartCount = UInt32(exactly: count)
    else { return nil }
    self.init(
      configuration,
      restartCount: restartCount,
      lastRestart: json["lastRestart"]?.stringValue.flatMap { Timestamp(iso8601: $0) }
    )
  }
}
