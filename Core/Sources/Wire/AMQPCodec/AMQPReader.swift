internal import ByteIO

/// Reads AMQP values from borrowed bytes, within limits (AMQP 1.0 part 1 §1.2).
public struct AMQPReader: ~Escapable {
  private var reader: ByteReader
  private var elementsLeft: Int
  private let depthLimit: Int

  /// Creates a reader at the first byte.
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>, limits: AMQPLimits = AMQPLimits()) {
    reader = ByteReader(bytes)
    elementsLeft = limits.elements
    depthLimit = limits.depth
  }

  /// Index of the next byte.
  public var position: Int { reader.position }

  /// Whether all was read.
  public var isAtEnd: Bool { reader.remaining == 0 }

  /// Reads the next value.
  @_lifetime(self: copy self)
  public mutating func value() throws(AMQPFault) -> AMQPValue { try value(depth: 0) }

  /// Reads the descriptor of a described value, and leaves what it describes to be read.
  @_lifetime(self: copy self)
  public mutating func descriptor() throws(AMQPFault) -> AMQPValue {
    guard try uint8() == 0 else { throw .unexpectedType }
    return try value(depth: 1)
  }

  /// Reads a binary value as the range where its bytes lie.
  @_lifetime(self: copy self)
  public mutating func binaryRange() throws(AMQPFault) -> Range<Int> {
    switch try uint8() {
    case 0xA0: try range(Int(uint8()))
    case 0xB0: try range(Int(uint32()))
    default: throw .unexpectedType
    }
  }

  /// The number that names a performative, section or outcome, when it is one of those of `names`
  /// or a plain number (part 1 §1.2: both forms are the same descriptor).
  public static func code(of descriptor: AMQPValue, names: [(String, UInt64)] = []) -> UInt64? {
    switch descriptor {
    case .ulong(let code): code
    case .symbol(let name): names.first { $0.0 == name }?.1
    default: nil
    }
  }

  // MARK: Values

  @_lifetime(self: copy self)
  private mutating func value(depth: Int) throws(AMQPFault) -> AMQPValue {
    let constructor = try uint8()
    guard constructor == 0 else { return try value(constructor, depth: depth) }
    guard depth < depthLimit else { throw .nestingTooDeep }
    let descriptor = try value(depth: depth + 1)
    return .described(descriptor: descriptor, try value(depth: depth + 1))
  }

  @_lifetime(self: copy self)
  private mutating func value(
    _ constructor: UInt8,
    depth: Int
  ) throws(AMQPFault) -> AMQPValue {
    guard elementsLeft > 0 else { throw .tooManyElements }
    elementsLeft -= 1
    switch constructor {
    case 0x40: return .null
    case 0x41: return .boolean(true)
    case 0x42: return .boolean(false)
    case 0x56:
      let byte = try uint8()
      guard byte < 2 else { throw .invalidText }
      return .boolean(byte == 1)
    case 0x50: return .ubyte(try uint8())
    case 0x51: return .byte(Int8(bitPattern: try uint8()))
    case 0x60: return .ushort(try uint16())
    case 0x61: return .short(Int16(bitPattern: try uint16()))
    case 0x43: return .uint(0)
    case 0x52: return .uint(UInt32(try uint8()))
    case 0x70: return .uint(try uint32())
    case 0x44: return .ulong(0)
    case 0x53: return .ulong(UInt64(try uint8()))
    case 0x80: return .ulong(try uint64())
    case 0x54: return .int(Int32(Int8(bitPattern: try uint8())))
    case 0x71: return .int(Int32(bitPattern: try uint32()))
    case 0x55: return .long(Int64(Int8(bitPattern: try uint8())))
    case 0x81: return .long(Int64(bitPattern: try uint64()))
    case 0x72: return .float(Float(bitPattern: try uint32()))
    case 0x82: return .double(Double(bitPattern: try uint64()))
    case 0x74: return .decimal(try bytes(4))
    case 0x84: return .decimal(try bytes(8))
    case 0x94: return .decimal(try bytes(16))
    case 0x73:
      guard let scalar = Unicode.Scalar(try uint32()) else { throw .invalidText }
      return .char(scalar)
    case 0x83: return .timestamp(Int64(bitPattern: try uint64()))
    case 0x98: return .uuid(try bytes(16))
    case 0xA0: return .binary(try bytes(Int(uint8())))
    case 0xB0: return .binary(try bytes(Int(uint32())))
    case 0xA1: return .string(try text(Int(uint8()), isASCII: false))
    case 0xB1: return .string(try text(Int(uint32()), isASCII: false))
    case 0xA3: return .symbol(try text(Int(uint8()), isASCII: true))
    case 0xB3: return .symbol(try text(Int(uint32()), isASCII: true))
    case 0x45: return .list([])
    case 0xC0, 0xD0, 0xC1, 0xD1: return try compound(constructor, depth: depth)
    case 0xE0, 0xF0: return try array(constructor, depth: depth)
    default: throw .unknownConstructor(constructor)
    }
  }

  /// Size and count of a compound or an array, and where it ends.
  @_lifetime(self: copy self)
  private mutating func bounds(isWide: Bool) throws(AMQPFault) -> (count: Int, end: Int) {
    let size = isWide ? Int(try uint32()) : Int(try uint8())
    guard size <= reader.remaining else { throw .truncated }
    guard size >= (isWide ? 4 : 1) else { throw .invalidSize }
    let end = reader.position + size
    let count = isWide ? Int(try uint32()) : Int(try uint8())
    return (count, end)
  }

  @_lifetime(self: copy self)
  private mutating func compound(
    _ constructor: UInt8,
    depth: Int
  ) throws(AMQPFault) -> AMQPValue {
    guard depth < depthLimit else { throw .nestingTooDeep }
    let (count, end) = try bounds(isWide: constructor >= 0xD0)
    // Every element takes a byte at least, so a count cannot ask for more than what is there.
    guard count <= end - reader.position else { throw .invalidSize }
    guard count <= elementsLeft else { throw .tooManyElements }
    if constructor & 1 == 0 {
      var values: [AMQPValue] = []
      values.reserveCapacity(count)
      for _ in 0..<count { values.append(try value(depth: depth + 1)) }
      guard reader.position == end else { throw .invalidSize }
      return .list(values)
    }
    guard count.isMultiple(of: 2) else { throw .unpairedMap }
    var pairs: [AMQPMap.Pair] = []
    pairs.reserveCapacity(count / 2)
    for _ in 0..<count / 2 {
      let key = try value(depth: depth + 1)
      pairs.append(AMQPMap.Pair(key, try value(depth: depth + 1)))
    }
    guard reader.position == end else { throw .invalidSize }
    return .map(AMQPMap(pairs))
  }

  @_lifetime(self: copy self)
  private mutating func array(
    _ constructor: UInt8,
    depth: Int
  ) throws(AMQPFault) -> AMQPValue {
    guard depth < depthLimit else { throw .nestingTooDeep }
    let (count, end) = try bounds(isWide: constructor == 0xF0)
    guard count <= elementsLeft else { throw .tooManyElements }
    var element = try uint8()
    var descriptor: AMQPValue?
    if element == 0 {
      descriptor = try value(depth: depth + 1)
      element = try uint8()
    }
    var values: [AMQPValue] = []
    for _ in 0..<count {
      let value = try value(element, depth: depth + 1)
      values.append(descriptor.map { .described(descriptor: $0, value) } ?? value)
    }
    guard reader.position == end else { throw .invalidSize }
    return .array(values)
  }

  // MARK: Fixed and variable widths

  @_lifetime(self: copy self)
  private mutating func uint8() throws(AMQPFault) -> UInt8 {
    guard let value = reader.uint8() else { throw .truncated }
    return value
  }

  @_lifetime(self: copy self)
  private mutating func uint16() throws(AMQPFault) -> UInt16 {
    guard let value = reader.uint16() else { throw .truncated }
    return value
  }

  @_lifetime(self: copy self)
  private mutating func uint32() throws(AMQPFault) -> UInt32 {
    guard let value = reader.uint32() else { throw .truncated }
    return value
  }

  @_lifetime(self: copy self)
  private mutating func uint64() throws(AMQPFault) -> UInt64 {
    guard let value = reader.uint64() else { throw .truncated }
    return value
  }

  @_lifetime(self: copy self)
  private mutating func range(_ count: Int) throws(AMQPFault) -> Range<Int> {
    guard let range = reader.range(count) else { throw .truncated }
    return range
  }

  @_lifetime(self: copy self)
  private mutating func bytes(_ count: Int) throws(AMQPFault) -> [UInt8] {
    let range = try range(count)
    return reader.bytes.extracting(range).array()
  }

  @_lifetime(self: copy self)
  private mutating func text(_ count: Int, isASCII: Bool) throws(AMQPFault) -> String {
    let bytes = try bytes(count)
    guard !isASCII || bytes.allSatisfy({ $0 < 0x80 }),
      let text = String(validating: bytes, as: UTF8.self)
    else { throw .invalidText }
    return text
  }
}
