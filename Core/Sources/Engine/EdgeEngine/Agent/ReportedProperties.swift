public import JSONTree

/// What was reported last, so that only differences are sent (edge contract section 2.7).
public struct ReportedProperties: Equatable, Sendable {
  /// What the service holds, nil if that is not known.
  public private(set) var last: JSONObject?
  /// The members that a report can have.
  private let keys: [String]

  /// Begins with what was reported last; nil if that cannot be read, so that all `keys` are deleted
  /// first.
  public init(last: JSONObject?, keys: [String]) {
    self.last = last
    self.keys = keys
  }

  /// The patches to send for `report`, in order; none if nothing has changed.
  ///
  /// Call `sent` once the service has taken them.
  public func patches(for report: JSONObject) -> [JSONObject] {
    guard let last else {
      return [JSONObject(keys.map { (key: $0, value: .null) }), report]
    }
    let patch = last.patch(to: report)
    return patch.isEmpty ? [] : [patch]
  }

  /// The service has `report` now.
  public mutating func sent(_ report: JSONObject) { last = report }

  /// The last report with other members; for what can be said while the machine cannot be read.
  public func replacing(_ members: JSONObject) -> JSONObject {
    var report = last ?? [:]
    for (key, value) in members { report[key] = value }
    return report
  }

  /// The members of `$edgeAgent`'s report.
  public static let agentKeys = [
    "schemaVersion", "version", "lastDesiredVersion", "lastDesiredStatus", "runtime",
    "systemModules", "modules",
  ]
}
