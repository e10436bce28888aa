internal import ByteIO

/// A shared access key: 16 to 64 bytes, kept in the base64 text it was given in (contract §2.1).
///
/// Its descriptions never show the key, so that a value that holds one may be logged by accident.
public struct SymmetricKey: Sendable {
  /// The key as base64 text, as it was given.
  public let base64: String
  /// The key's bytes.
  public let bytes: [UInt8]

  /// The lengths that a key may have, in bytes.
  public static let lengths = 16...64

  /// Creates a key from base64 text; nil if that is not padded base64 of 16 to 64 bytes.
  public init?(base64: String) {
    guard let bytes = Base64.decode(base64), Self.lengths.contains(bytes.count) else { return nil }
    self.base64 = base64
    self.bytes = bytes
  }

  /// Creates a key from its bytes; nil if these are not 16 to 64.
  public init?(bytes: [UInt8]) {
    guard Self.lengths.contains(bytes.count) else { return nil }
    self.base64 = Base64.encode(bytes)
    self.bytes = bytes
  }
}

extension SymmetricKey: Equatable {
  /// Whether the keys' bytes are equal, in time that depends on their length alone.
  public static func == (first: SymmetricKey, second: SymmetricKey) -> Bool {
    ConstantTime.equals(first.bytes, second.bytes)
  }
}

extension SymmetricKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The key's length, never the key.
  public var description: String { "SymmetricKey(\(bytes.count) bytes)" }
  /// The key's length, never the key.
  public var debugDescription: String { description }
  /// Shows nothing, so that `dump` shows no key.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
