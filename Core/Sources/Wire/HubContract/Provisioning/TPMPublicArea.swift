internal import ByteIO

/// The public part of a key that a TPM 2.0 chip stores others under: an endorsement key or a storage
/// root key (TPM 2.0 Library, Part 2, 12.2.4).
///
/// Read from its `TPM2B_PUBLIC` form, in which stock clients send it. Taken are the keys that chips are
/// made with: RSA of 2048 to 4096 bits and ECC P-256, with SHA-256 as name algorithm and AES in CFB mode.
public struct TPMPublicArea: Equatable, Sendable {
  /// The key itself.
  public enum Key: Equatable, Sendable {
    /// Modulus, big-endian, and exponent.
    case rsa(modulus: [UInt8], exponent: UInt32)
    /// A point of P-256, 32 bytes each.
    case p256(x: [UInt8], y: [UInt8])
  }

  /// Most bytes of the whole; real ones have some 320.
  public static let byteLimit = 1024

  /// The key.
  public let key: Key
  /// Bits of the AES key that protects what is stored under it: 128, 192 or 256.
  public let symmetricKeyBits: Int
  /// The public area without its length, whose digest is the key's name.
  public let area: [UInt8]

  private enum Identifier {
    static let rsa: UInt16 = 0x0001
    static let aes: UInt16 = 0x0006
    static let sha256: UInt16 = 0x000B
    static let null: UInt16 = 0x0010
    static let ecc: UInt16 = 0x0023
    static let cfb: UInt16 = 0x0043
    static let p256: UInt16 = 0x0003
  }

  /// The attributes that such a key has.
  ///
  /// fixedTPM, fixedParent and sensitiveDataOrigin: it never leaves the chip that made it. Restricted and
  /// decrypt: it stores keys, and signs nothing.
  private static let attributes: UInt32 = 0x0003_0032

  /// Reads a `TPM2B_PUBLIC`; nil for anything but such a key, bytes that follow it among them.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count <= Self.byteLimit else { return nil }
    var reader = ByteReader(bytes.span)
    guard let size = reader.uint16(), Int(size) == reader.remaining,
      let type = reader.uint16(), let nameAlgorithm = reader.uint16(),
      nameAlgorithm == Identifier.sha256, let attributes = reader.uint32(),
      attributes & Self.attributes == Self.attributes,
      let policySize = reader.uint16(), reader.skip(Int(policySize)),
      reader.uint16() == Identifier.aes, let keyBits = reader.uint16(),
      [128, 192, 256].contains(keyBits), reader.uint16() == Identifier.cfb,
      // A storage key has no scheme of its own.
      reader.uint16() == Identifier.null
    else { return nil }
    symmetricKeyBits = Int(keyBits)
    area = Array(bytes.dropFirst(2))
    switch type {
    case Identifier.rsa:
      guard let modulusBits = reader.uint16(), (2048...4096).contains(modulusBits),
        modulusBits % 64 == 0, let exponent = reader.uint32(),
        exponent == 0 || exponent == 65_537,
        let modulusSize = reader.uint16(), Int(modulusSize) == Int(modulusBits) / 8,
        let range = reader.range(Int(modulusSize)), reader.remaining == 0,
        bytes[range.lowerBound] >= 0x80, bytes[range.upperBound - 1] & 1 == 1
      else { return nil }
      key = .rsa(modulus: Array(bytes[range]), exponent: 65_537)
    case Identifier.ecc:
      guard reader.uint16() == Identifier.p256, reader.uint16() == Identifier.null,
        reader.uint16() == 32, let x = reader.range(32), reader.uint16() == 32,
        let y = reader.range(32), reader.remaining == 0
      else { return nil }
      key = .p256(x: Array(bytes[x]), y: Array(bytes[y]))
    default: return nil
    }
  }
}
