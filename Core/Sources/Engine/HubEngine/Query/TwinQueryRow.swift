internal import HubContract
internal import JSONTree
internal import QueryLanguage

/// A stored twin as a row of a query, of which only what the query looks at is parsed.
///
/// A class, because what was parsed is kept from one look to the next.
final class TwinQueryRow: QueryRow {
  let key: IdentityKey
  private let twin: TwinRecord
  private let device: DeviceIdentity
  private let activity: IdentityActivity
  private let render: () -> [UInt8]

  private lazy var tags = Self.parse(twin.tags)
  private lazy var desired = Self.parse(twin.desired.properties)
  private lazy var reported = Self.parse(twin.reported.properties)
  private lazy var whole = Self.parse(render())

  init(_ row: DeviceRow, facts: ConnectionFacts) {
    key = row.identity.key
    twin = row.twin
    device = row.identity
    activity = row.activity(facts)
    render = { row.twinText(facts) }
  }

  init(_ row: ModuleRow, facts: ConnectionFacts) {
    key = row.identity.key
    twin = row.twin
    device = row.device
    activity = row.activity(facts)
    render = { row.twinText(facts) }
  }

  /// The whole twin, as `SELECT *` answers it.
  var text: [UInt8] { render() }

  /// The value at `path`, nil if there is none.
  func value(at path: [PathStep]) -> JSONValue? {
    guard case .member(let first)? = path.first else { return whole.value(at: path) }
    switch (first, path.count) {
    case ("deviceId", 1): return .string(key.deviceID)
    case ("moduleId", 1): return key.moduleID.map { .string($0) }
    case ("status", 1): return .string(device.status.rawValue)
    case ("connectionState", 1):
      return .string(activity.isConnected ? "Connected" : "Disconnected")
    case ("tags", _): return tags.value(at: Array(path.dropFirst()))
    case ("properties", 3...):
      guard case .member(let section) = path[1], case .member(let name) = path[2],
        name != "$metadata", section == "desired" || section == "reported"
      else { break }
      if name == "$version", path.count == 3 {
        return .int(
          Int64(clamping: section == "desired" ? twin.desired.version : twin.reported.version)
        )
      }
      let properties = section == "desired" ? desired : reported
      return properties.value(at: Array(path.dropFirst(2)))
    default: break
    }
    return whole.value(at: path)
  }

  /// A text that `JSON` wrote; one that is damaged has no members here and a fault where it is read
  /// for itself.
  private static func parse(_ text: [UInt8]) -> JSONValue {
    (try? JSON.parse(text)) ?? .object(JSONObject())
  }
}
