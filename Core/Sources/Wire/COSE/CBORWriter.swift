internal import ByteIO

/// Writes CBOR in its core deterministic encoding (RFC 8949 §4.2.1).
///
/// Heads are the shortest there are, lengths are definite, numbers take the shortest form that keeps
/// them. Who writes the head of an array or a map writes as many items behind it; `value` orders the
/// keys of maps, who writes them by hand orders them himself.
public struct CBORWriter: Sendable {
  private var sink: ByteWriter

  /// Creates an empty writer with room for `capacity` bytes.
  public init(capacity: Int = 0) { sink = ByteWriter(capacity: capacity) }

  /// What was written so far.
  public var bytes: [UInt8] { sink.bytes }

  /// Writes an integer that is not negative.
  public mutating func unsigned(_ value: UInt64) { head(.unsigned, value) }

  /// Writes an integer.
  public mutating func integer(_ value: Int64) {
    if value < 0 {
      head(.negative, UInt64(bitPattern: ~value))
    } else {
      head(.unsigned, UInt64(bitPattern: value))
    }
  }

  /// Writes a byte string.
  public mutating func byteString(_ value: Span<UInt8>) {
    head(.bytes, UInt64(value.count))
    sink.append(value)
  }

  /// Writes a byte string.
  public mutating func byteString(_ value: [UInt8]) { byteString(value.span) }

  /// Writes a text string.
  public mutating func text(_ value: CBORText) {
    head(.text, UInt64(value.utf8.count))
    sink.append(value.utf8)
  }

  /// Writes the head of an array of `count` items, which follow; `count` is not negative.
  public mutating func array(count: Int) { head(.array, UInt64(count)) }

  /// Writes the head of a map of `count` entries, which follow, key before value.
  public mutating func map(count: Int) { head(.map, UInt64(count)) }

  /// Writes the number of a tag, whose content follows.
  public mutating func tag(_ number: UInt64) { head(.tag, number) }

  /// Writes true or false.
  public mutating func boolean(_ value: Bool) { sink.uint8(value ? 0xF5 : 0xF4) }

  /// Writes null.
  public mutating func null() { sink.uint8(0xF6) }

  /// Writes a floating-point number in the shortest form that keeps its value (RFC 8949 §4.2.1).
  public mutating func double(_ value: Double) {
    guard let single = CBORFloat.single(value) else {
      sink.uint8(0xFB)
      sink.uint64(value.bitPattern)
      return
    }
    if let half = CBORFloat.half(single) {
      sink.uint8(0xF9)
      sink.uint16(half)
    } else {
      sink.uint8(0xFA)
      sink.uint32(single.bitPattern)
    }
  }

  /// Writes a value with all that is inside it.
  public mutating func value(_ value: CBORValue) {
    switch value {
    case .unsigned(let number): head(.unsigned, number)
    case .negative(let number): head(.negative, number)
    case .bytes(let bytes): byteString(bytes)
    case .text(let text): self.text(text)
    case .array(let values):
      array(count: values.count)
      for value in values { self.value(value) }
    case .map(let map):
      self.map(count: map.pairs.count)
      for pair in map.pairs {
        sink.append(pair.encodedKey)
        self.value(pair.value)
      }
    case .tagged(let number, let value):
      tag(number)
      self.value(value)
    case .boolean(let flag): boolean(flag)
    case .null: null()
    case .undefined: sink.uint8(0xF7)
    case .double(let number): double(number)
    }
  }

  private mutating func head(_ type: CBORType, _ argument: UInt64) {
    let type = type.rawValue << 5
    switch argument {
    case 0..<24: sink.uint8(type | UInt8(truncatingIfNeeded: argument))
    case 24..<0x100:
      sink.uint8(type | 24)
      sink.uint8(UInt8(truncatingIfNeeded: argument))
    case 0x100..<0x1_0000:
      sink.uint8(type | 25)
      sink.uint16(UInt16(truncatingIfNeeded: argument))
    case 0x1_0000..<0x1_0000_0000:
      sink.uint8(type | 26)
      sink.uint32(UInt32(truncatingIfNeeded: argument))
    default:
      sink.uint8(type | 27)
      sink.uint64(argument)
    }
  }
}

/// The major types (RFC 8949 §3.1).
public enum CBORType: UInt8, Equatable, Sendable {
  /// An integer that is not negative.
  case unsigned = 0
  /// A negative integer.
  case negative = 1
  /// A byte string.
  case bytes = 2
  /// A text string.
  case text = 3
  /// An array.
  case array = 4
  /// A map.
  case map = 5
  /// A tagged item.
  case tag = 6
  /// A simple value or a floating-point number.
  case simple = 7
}

/// Which floating-point numbers fit which width (IEEE 754, RFC 8949 §4.2.1 and appendix D).
///
/// Half precision is done on bits: not every processor's compiler has the type.
enum CBORFloat {
  /// The one NaN that deterministic encoding knows, as half precision (RFC 8949 §4.2.2).
  static let notANumber: UInt16 = 0x7E00

  /// The number in single precision if that keeps its value.
  static func single(_ value: Double) -> Float? {
    if value.isNaN { return .nan }
    let narrow = Float(value)
    return Double(narrow) == value ? narrow : nil
  }

  /// The bits of the number in half precision if that keeps its value.
  static func half(_ value: Float) -> UInt16? {
    if value.isNaN { return notANumber }
    let bits = value.bitPattern
    let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
    let exponent = Int(bits >> 23 & 0xFF) - 127
    let fraction = bits & 0x7F_FFFF
    if value.isZero { return sign }
    if exponent == 128 { return sign | 0x7C00 }
    if (-14...15).contains(exponent) {
      guard fraction & 0x1FFF == 0 else { return nil }
      return sign | UInt16(truncatingIfNeeded: exponent + 15) << 10
        | UInt16(truncatingIfNeeded: fraction >> 13)
    }
    guard (-24 ... -15).contains(exponent) else { return nil }
    // A subnormal: the leading one is written out and everything moves right.
    let significand = fraction | 0x80_0000
    let shift = UInt32(13 - 14 - exponent)
    guard significand & (1 << shift - 1) == 0 else { return nil }
    return sign | UInt16(truncatingIfNeeded: significand >> shift)
  }

  /// The number that bits of half precision stand for.
  static func value(half bits: UInt16) -> Double {
    let exponent = Int(bits >> 10 & 0x1F)
    let fraction = Double(bits & 0x3FF)
    let magnitude: Double
    switch exponent {
    case 0: magnitude = fraction * 0x1p-24
    case 31: magnitude = fraction == 0 ? .infinity : .nan
    default:
      let scale = Double(bitPattern: UInt64(exponent - 15 + 1_023) << 52)
      magnitude = (1 + fraction * 0x1p-10) * scale
    }
    return bits & 0x8000 == 0 ? magnitude : -magnitude
  }
}
