import HubContract
import HubEngine
import JSONTree
import Simulation

extension TestHub {
  private static func facts(_: IdentityKey) -> ConnectionFacts { ConnectionFacts() }

  /// Creates a configuration, or updates it where `ifMatch` is given, and lets all devices follow.
  @discardableResult
  mutating func configure(
    _ id: String,
    _ content: String,
    target: String = "*",
    priority: Int64 = 0,
    ifMatch: ETagCondition = .absent
  ) throws -> Configuration {
    let body: JSONValue = [
      "content": try json(content), "targetCondition": .string(target), "priority": .int(priority),
    ]
    let (configuration, _) = try engine.putConfiguration(
      ConfigurationRequest(id: id, body: body),
      ifMatch: ifMatch,
      now: now
    )
    try sweep()
    now = now.adding(seconds: 1)
    return configuration
  }

  /// Walks through all devices, a few at a time.
  mutating func sweep() throws {
    while try engine.sweepConfigurations(limit: 2, facts: Self.facts, now: now) {}
    _ = engine.takeEffects()
  }

  /// Writes a twin as the service does, and commits.
  mutating func patch(_ key: IdentityKey, _ body: String) throws {
    _ = try engine.updateTwin(
      key,
      TwinUpdate(body: json(body)),
      replacing: false,
      ifMatch: .any,
      now: now
    )
    try commit()
  }

  /// What the driver does before every commit.
  mutating func commit() throws {
    try engine.settleConfigurations(facts: Self.facts, now: now)
    _ = engine.takeEffects()
  }

  /// The desired properties, without metadata and version.
  func desired(_ device: String, _ module: String? = nil) throws -> JSONValue? {
    let twin = try engine.storage.twin(IdentityKey(deviceID: device, moduleID: module))
    return try twin.map { try JSON.parse($0.desired.properties) }
  }

  /// The member `configurations` of a twin, as `{"id":"Applied"}`.
  func configurations(_ device: String, _ module: String? = nil) throws -> JSONValue {
    let twin = try twin(IdentityKey(deviceID: device, moduleID: module))
    var shown = JSONObject()
    for (id, entry) in twin["configurations"]?.objectValue ?? JSONObject() {
      shown[id] = entry["status"]
    }
    return .object(shown)
  }

  /// All rows of a query.
  func rows(_ query: String, pageSize: Int = 100) throws -> [JSONValue] {
    var rows: [JSONValue] = []
    var continuation: String?
    repeat {
      let page = try engine.view.query(
        query,
        pageSize: pageSize,
        continuation: continuation,
        facts: Self.facts
      )
      rows += try JSON.parse(page.body).arrayValue ?? []
      continuation = page.continuation
    } while continuation != nil
    return rows
  }

  /// One step of the jobs, committed.
  mutating func step() throws -> JobStep {
    let step = try engine.advanceJobs(facts: Self.facts, now: now)
    try commit()
    return step
  }

  /// The metrics of a configuration by name.
  func metrics(_ id: String) throws -> [String: Int] {
    let configuration = try engine.view.configuration(id)
    let metrics = try engine.view.metrics(of: configuration, facts: Self.facts)
    return Dictionary(
      uniqueKeysWithValues: (metrics.system + metrics.custom).map { ($0.name, $0.count) }
    )
  }
}
