/// The section `properties` of a message (AMQP 1.0 part 3 §3.2.4).
public struct MessageProperties: Equatable, Sendable {
  /// Names the message: ulong, uuid, binary or string; null if there is none.
  public var messageID = AMQPValue.null
  /// Who sent it.
  public var userID: [UInt8]?
  /// Where it goes.
  public var to: String?
  /// What it is about.
  public var subject: String?
  /// Where answers go.
  public var replyTo: String?
  /// The message that it belongs to, in the type of that one's ID.
  public var correlationID = AMQPValue.null
  /// MIME type.
  public var contentType: String?
  /// MIME encoding.
  public var contentEncoding: String?
  /// When it expires, milliseconds since 1970.
  public var absoluteExpiryTime: Int64?
  /// When it was made, milliseconds since 1970.
  public var creationTime: Int64?
  /// Group, position in the group, and group of the answers, as they came.
  public var group: [AMQPValue] = [.null, .null, .null]

  /// Creates empty properties.
  public init() {}

  /// The message ID as text, whatever its type; nil if there is none.
  public var messageIDText: String? { Self.text(messageID) }

  /// The correlation ID as text, whatever its type; nil if there is none.
  public var correlationIDText: String? { Self.text(correlationID) }

  private static func text(_ identifier: AMQPValue) -> String? {
    switch identifier {
    case .string(let text), .symbol(let text): text
    case .ulong(let number): String(number)
    case .uuid(let bytes): AMQPValue.uuidText(bytes)
    case .binary(let bytes):
      String(validating: bytes, as: UTF8.self)
    default: nil
    }
  }

  /// Reads the section's list; fields that are missing at its end are null.
  ///
  /// - Throws: `unexpectedType` for a field of another type.
  init(_ fields: [AMQPValue]) throws(AMQPFault) {
    guard fields.count <= 13 else { throw .invalidSize }
    for (index, field) in fields.enumerated() where field != .null {
      switch (index, field) {
      case (0, _): messageID = try Self.identifier(field)
      case (1, .binary(let value)): userID = value
      case (2, .string(let value)): to = value
      case (3, .string(let value)): subject = value
      case (4, .string(let value)): replyTo = value
      case (5, _): correlationID = try Self.identifier(field)
      // Some clients write a string where the document says symbol.
      case (6, .symbol(let value)), (6, .string(let value)): contentType = value
      case (7, .symbol(let value)), (7, .string(let value)): contentEncoding = value
      case (8, .timestamp(let value)): absoluteExpiryTime = value
      case (9, .timestamp(let value)): creationTime = value
      case (10, .string), (11, .uint), (12, .string): group[index - 10] = field
      default: throw .unexpectedType
      }
    }
  }

  private static func identifier(_ value: AMQPValue) throws(AMQPFault) -> AMQPValue {
    switch value {
    case .ulong, .uuid, .binary, .string: return value
    default: throw .unexpectedType
    }
  }

  /// The section's list, all thirteen fields.
  var fields: [AMQPValue] {
    [
      messageID, userID.map { .binary($0) } ?? .null, to.map { .string($0) } ?? .null,
      subject.map { .string($0) } ?? .null, replyTo.map { .string($0) } ?? .null, correlationID,
      contentType.map { .symbol($0) } ?? .null, contentEncoding.map { .symbol($0) } ?? .null,
      absoluteExpiryTime.map { .timestamp($0) } ?? .null,
      creationTime.map { .timestamp($0) } ?? .null,
    ] + group
  }
}
