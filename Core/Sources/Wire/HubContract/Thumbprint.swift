internal import ByteIO

/// A certificate's thumbprint: the SHA-1 or SHA-256 digest of its DER form (contract §2.2).
///
/// Kept as it was given, compared without regard to case.
public struct Thumbprint: Sendable, Hashable, CustomStringConvertible {
  /// The hexadecimal text, 40 or 64 digits, as it was given.
  public let hex: String

  /// Creates a thumbprint; nil unless `hex` is 40 or 64 hexadecimal digits and nothing else.
  public init?(hex: String) {
    guard hex.utf8.count == 40 || hex.utf8.count == 64,
      hex.utf8.allSatisfy({ Hex.digit($0) != nil })
    else { return nil }
    self.hex = hex
  }

  /// The digest's bytes: 20 for SHA-1, 32 for SHA-256.
  public var bytes: [UInt8] { Hex.decode(hex) ?? [] }

  /// The text as it was given.
  public var description: String { hex }

  /// Whether both are the same digest.
  public static func == (first: Thumbprint, second: Thumbprint) -> Bool {
    first.bytes == second.bytes
  }

  /// Hashes the digest.
  public func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}
