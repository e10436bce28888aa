internal import ByteIO

/// A value of CBOR's data model, as far as deterministic encoding of ours uses it (RFC 8949 §2).
///
/// Every value has exactly one encoding and every encoding that is read gives the value back, so a
/// signature over the one is a signature over the other. Integers and floating-point numbers stay
/// apart, as §4.2.2 leaves it to protocols. Simple values without a meaning don't exist here.
public indirect enum CBORValue: Equatable, Sendable {
  /// An integer that is not negative.
  case unsigned(UInt64)
  /// The integer −1 − n.
  case negative(UInt64)
  /// A byte string.
  case bytes([UInt8])
  /// A text string.
  case text(CBORText)
  /// Values in order.
  case array([CBORValue])
  /// Keys with values.
  case map(CBORMap)
  /// A value with a tag number.
  ///
  /// Tags 2 and 3 are read only around integers that need them; write them only so.
  case tagged(UInt64, CBORValue)
  /// True or false.
  case boolean(Bool)
  /// Null.
  case null
  /// Undefined.
  case undefined
  /// A floating-point number; all that are not a number are the same one.
  case double(Double)

  /// The integer `value`.
  @inlinable
  public static func integer(_ value: Int64) -> CBORValue {
    value < 0 ? .negative(UInt64(bitPattern: ~value)) : .unsigned(UInt64(bitPattern: value))
  }

  /// The number if this is an integer that fits.
  @inlinable public var integer: Int64? {
    switch self {
    case .unsigned(let value): Int64(exactly: value)
    case .negative(let value): Int64(exactly: value).map { ~$0 }
    default: nil
    }
  }

  /// The number if this is an integer that is not negative.
  @inlinable public var unsigned: UInt64? {
    if case .unsigned(let value) = self { return value }
    return nil
  }

  /// The bytes if this is a byte string.
  @inlinable public var bytes: [UInt8]? {
    if case .bytes(let bytes) = self { return bytes }
    return nil
  }

  /// The text if this is a text string.
  @inlinable public var text: CBORText? {
    if case .text(let text) = self { return text }
    return nil
  }

  /// The values if this is an array.
  @inlinable public var array: [CBORValue]? {
    if case .array(let values) = self { return values }
    return nil
  }

  /// The entries if this is a map.
  @inlinable public var map: CBORMap? {
    if case .map(let map) = self { return map }
    return nil
  }

  /// The truth value if this is one.
  @inlinable public var boolean: Bool? {
    if case .boolean(let value) = self { return value }
    return nil
  }

  /// The one deterministic encoding of the value (RFC 8949 §4.2.1).
  public var encoded: [UInt8] {
    var writer = CBORWriter()
    writer.value(self)
    return writer.bytes
  }

  /// Reads a value that is all of `bytes`.
  ///
  /// Throws for anything but the one deterministic encoding of a value within `limits`.
  public init(_ bytes: Span<UInt8>, limits: CBORLimits = CBORLimits()) throws(COSEFault) {
    var reader = try CBORReader(bytes, limits: limits)
    self = try reader.value()
    try reader.finish()
  }
}

/// A text string of CBOR: bytes that are known to be UTF-8.
///
/// Bytes and not a `String`, because comparing those takes the Unicode tables along, which a
/// microcontroller has no room for; and because two strings are the same key in CBOR only if their
/// bytes are.
public struct CBORText: Equatable, Sendable, ExpressibleByStringLiteral {
  /// The UTF-8 form.
  public let utf8: [UInt8]

  /// Creates the text of a string.
  public init(_ string: String) { utf8 = [UInt8](string.utf8) }

  /// Creates the text of a literal.
  public init(stringLiteral value: String) { self.init(value) }

  /// Creates the text of UTF-8 bytes; nil if they are not well-formed.
  public init?(utf8: [UInt8]) {
    guard UTF8Check.isValid(utf8.span) else { return nil }
    self.utf8 = utf8
  }

  /// Creates the text of bytes that were checked.
  init(checked bytes: [UInt8]) { utf8 = bytes }

  /// The text as a string.
  public var string: String { String(decoding: utf8, as: UTF8.self) }
}

/// A map whose keys are unique and in the order of the deterministic encoding, always.
public struct CBORMap: Equatable, Sendable {
  /// One entry.
  public struct Pair: Equatable, Sendable {
    /// The key, of any type.
    public let key: CBORValue
    /// The value.
    public let value: CBORValue
    /// The encoding of the key, by which entries are ordered.
    let encodedKey: [UInt8]
  }

  /// The entries in the bytewise order of their encoded keys (RFC 8949 §4.2.1).
  public private(set) var pairs: [Pair] = []

  /// Creates a map without entries.
  public init() {}

  /// Whether there is no entry.
  public var isEmpty: Bool { pairs.isEmpty }

  /// The value of a key that is an integer; setting nil removes the entry.
  public subscript(label: Int64) -> CBORValue? {
    get {
      for pair in pairs where pair.key.integer == label { return pair.value }
      return nil
    }
    set { self[key: .integer(label)] = newValue }
  }

  /// The value of a key of any type; setting nil removes the entry.
  public subscript(key key: CBORValue) -> CBORValue? {
    get {
      let (index, isThere) = place(of: key.encoded)
      return isThere ? pairs[index].value : nil
    }
    set {
      let encoded = key.encoded
      let (index, isThere) = place(of: encoded)
      if isThere { pairs.remove(at: index) }
      guard let newValue else { return }
      pairs.insert(Pair(key: key, value: newValue, encodedKey: encoded), at: index)
    }
  }

  /// Adds an entry behind the last one.
  ///
  /// Throws `duplicateKey` or `keysOutOfOrder` if it does not belong there.
  mutating func append(
    _ key: CBORValue,
    encodedKey: [UInt8],
    _ value: CBORValue
  ) throws(COSEFault) {
    if let last = pairs.last {
      guard last.encodedKey != encodedKey else { throw .duplicateKey }
      guard last.encodedKey.lexicographicallyPrecedes(encodedKey) else { throw .keysOutOfOrder }
    }
    pairs.append(Pair(key: key, value: value, encodedKey: encodedKey))
  }

  private func place(of encodedKey: [UInt8]) -> (index: Int, isThere: Bool) {
    var (low, high) = (0, pairs.count)
    while low < high {
      let middle = low + (high - low) / 2
      if pairs[middle].encodedKey.lexicographicallyPrecedes(encodedKey) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return (low, low < pairs.count && pairs[low].encodedKey == encodedKey)
  }
}
