internal import ByteIO

/// The name of one delivery of a message or of one feedback batch: 16 random bytes.
public struct LockToken: Hashable, Sendable, CustomStringConvertible {
  /// The bytes, as an AMQP delivery tag carries them.
  public let bytes: [UInt8]

  /// Creates a token; nil unless there are 16 bytes.
  public init?(bytes: [UInt8]) {
    guard bytes.count == 16 else { return nil }
    self.bytes = bytes
  }

  /// Creates a token from its text: 32 hexadecimal digits, with or without hyphens as in a UUID.
  public init?(_ text: String) {
    guard let bytes = Hex.decode(text.utf8.filter { $0 != UInt8(ascii: "-") }) else { return nil }
    self.init(bytes: bytes)
  }

  /// The text of a UUID, in lower case.
  public var description: String {
    let digits = Array(Hex.encode(bytes).utf8)
    let groups = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32]
    return groups.map { String(decoding: digits[$0], as: UTF8.self) }.joined(separator: "-")
  }
}
