/// A public key that signatures are checked with, as COSE_Key (RFC 9052 §7, RFC 9053 §7).
public struct COSEKey: Equatable, Sendable {
  /// The curves, each of which belongs to one algorithm here.
  public enum Curve: Int64, Equatable, Sendable {
    /// NIST P-256, for ES256.
    case p256 = 1
    /// NIST P-384, for ES384.
    case p384 = 2
    /// Ed25519, for EdDSA.
    case ed25519 = 6

    /// Length of a coordinate in bytes.
    public var coordinateByteCount: Int {
      switch self {
      case .p256, .ed25519: 32
      case .p384: 48
      }
    }

    /// The algorithm of signatures by keys on this curve.
    public var algorithm: COSEAlgorithm {
      switch self {
      case .p256: .es256
      case .p384: .es384
      case .ed25519: .edDSA
      }
    }
  }

  /// The curve.
  public let curve: Curve
  /// X‖Y of a NIST curve without a leading byte; the 32 bytes of RFC 8032 for Ed25519.
  ///
  /// Whether it is a point of the curve is for who computes with it to find out.
  public let point: [UInt8]

  /// Creates a key; nil if the point has not the curve's length.
  public init?(_ curve: Curve, point: [UInt8]) {
    let coordinates = curve == .ed25519 ? 1 : 2
    guard point.count == coordinates * curve.coordinateByteCount else { return nil }
    self.curve = curve
    self.point = point
  }

  /// The key as COSE_Key, with its algorithm and `verify` as its one operation.
  public var value: CBORValue {
    var map = CBORMap()
    let length = curve.coordinateByteCount
    map[Label.type] = .integer(curve == .ed25519 ? KeyType.octetPair : KeyType.twoCoordinates)
    map[Label.algorithm] = .integer(curve.algorithm.rawValue)
    map[Label.operations] = .array([.integer(Self.verifyOperation)])
    map[Label.curve] = .integer(curve.rawValue)
    map[Label.x] = .bytes([UInt8](point.prefix(length)))
    if point.count > length { map[Label.y] = .bytes([UInt8](point.dropFirst(length))) }
    return .map(map)
  }

  /// Reads a COSE_Key.
  ///
  /// Throws `invalidKey` for private keys, compressed points, keys of other types and curves, keys
  /// whose algorithm is not the curve's, and those with operations that don't include `verify`.
  public init(_ value: CBORValue) throws(COSEFault) {
    guard let map = value.map, let number = map[Label.curve]?.integer,
      let curve = Curve(rawValue: number), map[Label.privatePart] == nil,
      let x = map[Label.x]?.bytes
    else { throw .invalidKey }
    let type = curve == .ed25519 ? KeyType.octetPair : KeyType.twoCoordinates
    guard map[Label.type]?.integer == type else { throw .invalidKey }
    if let algorithm = map[Label.algorithm] {
      guard algorithm.integer == curve.algorithm.rawValue else { throw .invalidKey }
    }
    if let operations = map[Label.operations] {
      guard let list = operations.array, list.contains(.integer(Self.verifyOperation)) else {
        throw .invalidKey
      }
    }
    var point = x
    if curve != .ed25519 {
      guard x.count == curve.coordinateByteCount, let y = map[Label.y]?.bytes else {
        throw .invalidKey
      }
      point += y
    }
    guard let key = COSEKey(curve, point: point) else { throw .invalidKey }
    self = key
  }

  private enum Label {
    static let type: Int64 = 1
    static let algorithm: Int64 = 3
    static let operations: Int64 = 4
    static let curve: Int64 = -1
    static let x: Int64 = -2
    static let y: Int64 = -3
    static let privatePart: Int64 = -4
  }

  private enum KeyType {
    static let octetPair: Int64 = 1
    static let twoCoordinates: Int64 = 2
  }

  private static let verifyOperation: Int64 = 2
}
