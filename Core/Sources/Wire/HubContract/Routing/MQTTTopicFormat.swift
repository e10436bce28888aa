internal import ByteIO

/// The template of the topics that an endpoint publishes to.
///
/// `{iothub}`, `{deviceId}`, `{moduleId}`, `{partition}` and `{source}` may stand in it, as often as one
/// likes. What takes their place is percent-encoded, because IDs may hold what topics may not, and what would
/// make other levels of them; `{moduleId}` is empty for a device itself.
public struct MQTTTopicFormat: Equatable, Sendable {
  /// The template.
  public let text: String
  private let parts: [Part]

  private enum Part: Equatable, Sendable {
    case literal(String)
    case field(Field)
  }

  private enum Field: String {
    case hub = "iothub"
    case device = "deviceId"
    case module = "moduleId"
    case partition
    case source
  }

  /// Bytes of a template.
  public static let maximumBytes = 256

  /// Reads a template.
  ///
  /// Nil for an empty or too long one, one with wildcards or control characters, with braces that are
  /// no placeholder, and one that begins with `$`: such topics are the server's own.
  public init?(_ text: String) {
    guard (1...Self.maximumBytes).contains(text.utf8.count), text.utf8.first != UInt8(ascii: "$")
    else { return nil }
    var parts: [Part] = []
    var literal: [UInt8] = []
    var rest = [UInt8](text.utf8)[...]
    while let byte = rest.popFirst() {
      switch byte {
      case 0..<0x20, 0x7F, UInt8(ascii: "#"), UInt8(ascii: "+"), UInt8(ascii: "}"): return nil
      case UInt8(ascii: "{"):
        guard let end = rest.firstIndex(of: UInt8(ascii: "}")),
          let field = Field(rawValue: String(decoding: rest[..<end], as: UTF8.self))
        else { return nil }
        parts += [.literal(String(decoding: literal, as: UTF8.self)), .field(field)]
        literal = []
        rest = rest[(end + 1)...]
      default: literal.append(byte)
      }
    }
    self.text = text
    self.parts = parts + [.literal(String(decoding: literal, as: UTF8.self))]
  }

  /// The topic of a message of `sender`.
  public func topic(
    hub: String,
    sender: IdentityKey,
    partition: UInt16,
    source: EventSource
  ) -> String {
    parts.map { part in
      switch part {
      case .literal(let literal): literal
      case .field(.hub): PercentCoding.encode(hub)
      case .field(.device): PercentCoding.encode(sender.deviceID)
      case .field(.module): PercentCoding.encode(sender.moduleID ?? "")
      case .field(.partition): String(partition)
      case .field(.source): PercentCoding.encode(source.name)
      }
    }.joined()
  }

  /// Whether both have the same text.
  public static func == (first: MQTTTopicFormat, second: MQTTTopicFormat) -> Bool {
    first.text == second.text
  }
}
