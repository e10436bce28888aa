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
  private let configurations: ConfigurationState?
  private let render: () -> [UInt8]

  private lazy var tags = StoredObject(text: twin.tags)
  private lazy var desired = StoredObject(text: twin.desired.properties)
  private lazy var reported = StoredObject(text: twin.reported.properties)
  private lazy var whole = Self.parse(render())
  /// Whether the whole twin had to be parsed, which costs far more than the rest.
  private(set) var isParsedWhole = false

  init(_ row: DeviceRow, facts: ConnectionFacts) {
    key = row.identity.key
    twin = row.twin
    device = row.identity
    activity = row.activity(facts)
    configurations = row.configurations
    render = { row.twinText(facts) }
  }

  init(_ row: ModuleRow, facts: ConnectionFacts) {
    key = row.identity.key
    twin = row.twin
    device = row.device
    activity = row.activity(facts)
    configurations = row.configurations
    render = { row.twinText(facts) }
  }

  /// Bytes of the stored texts.
  var byteCount: Int {
    twin.tags.count + twin.desired.properties.count + twin.desired.metadata.count
      + twin.reported.properties.count + twin.reported.metadata.count
  }

  /// The whole twin, as `SELECT *` answers it.
  var text: [UInt8] { render() }

  /// The value at `path`, nil if there is none.
  func value(at path: [PathStep]) -> JSONValue? {
    guard case .member(let first)? = path.first else { return wholeValue(at: path) }
    switch (first, path.count) {
    case ("deviceId", 1): return .string(key.deviceID)
    case ("moduleId", 1): return key.moduleID.map { .string($0) }
    case ("modelId", 1): return twin.modelID.map { .string($0) }
    case ("status", 1): return .string(device.status.rawValue)
    case ("statusReason", 1): return device.statusReason.map { .string($0) }
    case ("connectionState", 1):
      return .string(activity.isConnected ? "Connected" : "Disconnected")
    case ("version", 1): return .int(Int64(clamping: twin.version))
    case ("configurations", 3):
      // What the metrics of configurations ask; without it each of their rows would be parsed whole.
      guard case .member(let id) = path[1], path[2] == .member("status") else { break }
      let entry = configurations?.entries.first {
        $0.configurationID == id && $0.status != .leaving
      }
      return entry.map { .string($0.status.rawValue) }
    case ("tags", _): return tags.value(at: path.dropFirst())
    case ("properties", 3...):
      guard case .member(let section) = path[1], case .member(let name) = path[2],
        name != "$metadata", section == "desired" || section == "reported"
      else { break }
      if name == "$version", path.count == 3 {
        return .int(
          Int64(clamping: section == "desired" ? twin.desired.version : twin.reported.version)
        )
      }
      if section == "desired" { return desired.value(at: path.dropFirst(2)) }
      return reported.value(at: path.dropFirst(2))
    default: break
    }
    return wholeValue(at: path)
  }

  private func wholeValue(at path: [PathStep]) -> JSONValue? {
    isParsedWhole = true
    return whole.value(at: path)
  }

  /// A text that `JSON` wrote; one that is damaged has no members here and a fault where it is read
  /// for itself.
  private static func parse(_ text: [UInt8]) -> JSONValue {
    (try? JSON.parse(text)) ?? .object(JSONObject())
  }
}

/// An object as it is stored, parsed when a member is asked for that its text may hold.
private struct StoredObject {
  let text: [UInt8]
  private var parsed: JSONValue?

  init(text: [UInt8]) { self.text = text }

  mutating func value(at path: ArraySlice<PathStep>) -> JSONValue? {
    if let parsed { return parsed.value(at: Array(path)) }
    if case .member(let name)? = path.first, !mayHold(name) { return nil }
    // `JSON` wrote the text; one that is damaged has no members here and a fault where it is read
    // for itself.
    let value = (try? JSON.parse(text)) ?? .object(JSONObject())
    parsed = value
    return value.value(at: Array(path))
  }

  /// Whether the text has `"name":` somewhere; true for a name that may be written with escapes.
  private func mayHold(_ name: String) -> Bool {
    guard text.count > 2 else { return false }
    var sought: [UInt8] = [UInt8(ascii: "\"")]
    for byte in name.utf8 {
      guard Self.isPlain(byte) else { return true }
      sought.append(byte)
    }
    sought += [UInt8(ascii: "\""), UInt8(ascii: ":")]
    let text = text.span
    let wanted = sought.span
    var start = 0
    while start + wanted.count <= text.count {
      var length = 0
      while length < wanted.count, text[start + length] == wanted[length] { length += 1 }
      if length == wanted.count { return true }
      start += 1
    }
    return false
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
      true
    default: false
    }
  }
}
