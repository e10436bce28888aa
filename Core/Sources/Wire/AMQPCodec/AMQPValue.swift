/// A value of the AMQP type system (AMQP 1.0 part 1).
///
/// Each case is one type of the document, so that what was read can be written again as the same
/// type: the stock clients compare a correlation ID with its type.
public indirect enum AMQPValue: Equatable, Sendable {
  /// No value.
  case null
  /// True or false.
  case boolean(Bool)
  /// 8 bits, unsigned.
  case ubyte(UInt8)
  /// 16 bits, unsigned.
  case ushort(UInt16)
  /// 32 bits, unsigned.
  case uint(UInt32)
  /// 64 bits, unsigned.
  case ulong(UInt64)
  /// 8 bits, signed.
  case byte(Int8)
  /// 16 bits, signed.
  case short(Int16)
  /// 32 bits, signed.
  case int(Int32)
  /// 64 bits, signed.
  case long(Int64)
  /// IEEE 754 binary32.
  case float(Float)
  /// IEEE 754 binary64.
  case double(Double)
  /// IEEE 754 decimal of 4, 8 or 16 bytes, kept as it came.
  case decimal([UInt8])
  /// One Unicode scalar.
  case char(Unicode.Scalar)
  /// Milliseconds since 1970.
  case timestamp(Int64)
  /// 16 bytes of RFC 4122.
  case uuid([UInt8])
  /// Opaque bytes.
  case binary([UInt8])
  /// Text.
  case string(String)
  /// A name of some domain, ASCII.
  case symbol(String)
  /// Values in order.
  case list([AMQPValue])
  /// Pairs in order.
  case map(AMQPMap)
  /// Values that share one constructor.
  case array([AMQPValue])
  /// A value with what it means.
  case described(descriptor: AMQPValue, AMQPValue)

  /// The text of a string or a symbol.
  public var text: String? {
    switch self {
    case .string(let text), .symbol(let text): text
    default: nil
    }
  }

  /// The number, whatever its width, if it fits.
  public var integer: Int64? {
    switch self {
    case .ubyte(let value): Int64(value)
    case .ushort(let value): Int64(value)
    case .uint(let value): Int64(value)
    case .ulong(let value): Int64(exactly: value)
    case .byte(let value): Int64(value)
    case .short(let value): Int64(value)
    case .int(let value): Int64(value)
    case .long(let value), .timestamp(let value): value
    default: nil
    }
  }

  /// The value without its descriptor, if it has one.
  public var undescribed: AMQPValue {
    if case .described(_, let value) = self { return value }
    return self
  }

  /// What a list or an array holds, or this value alone; nothing for null.
  ///
  /// That is how fields with several values are read (part 1 §1.4, "multiple").
  public var multiple: [AMQPValue] {
    switch self {
    case .null: []
    case .list(let values), .array(let values): values
    default: [self]
    }
  }
}

/// A map in the order in which it came; keys are compared as text, string or symbol alike.
public struct AMQPMap: Equatable, Sendable, ExpressibleByDictionaryLiteral {
  /// One entry.
  public struct Pair: Equatable, Sendable {
    /// The key, of any type.
    public var key: AMQPValue
    /// The value.
    public var value: AMQPValue

    /// Creates an entry.
    public init(_ key: AMQPValue, _ value: AMQPValue) {
      self.key = key
      self.value = value
    }
  }

  /// The entries.
  public var pairs: [Pair]

  /// Creates a map of entries.
  public init(_ pairs: [Pair] = []) { self.pairs = pairs }

  /// Creates a map whose keys are symbols.
  public init(dictionaryLiteral elements: (String, AMQPValue)...) {
    pairs = elements.map { Pair(.symbol($0.0), $0.1) }
  }

  /// Creates a map whose keys are strings.
  public init(strings: [(String, AMQPValue)]) {
    pairs = strings.map { Pair(.string($0.0), $0.1) }
  }

  /// Whether there is no entry.
  public var isEmpty: Bool { pairs.isEmpty }

  /// The first value whose key has this text.
  public subscript(key: String) -> AMQPValue? { pairs.first { $0.key.text == key }?.value }
}

extension AMQPValue {
  /// The text of a UUID with these bytes, in lower case.
  public static func uuidText(_ bytes: [UInt8]) -> String {
    var text = ""
    for (index, byte) in bytes.enumerated() {
      if index == 4 || index == 6 || index == 8 || index == 10 { text += "-" }
      text += byte < 16 ? "0" : ""
      text += String(byte, radix: 16)
    }
    return text
  }
}
