/// Writes AMQP values into one growing array (AMQP 1.0 part 1).
///
/// Numbers take their shortest form, descriptors always the one-byte form `00 53 xx`, compounds the
/// 32-bit form with the size put in when they end: nothing is measured first and nothing moved.
public struct AMQPWriter: Sendable {
  /// What was written so far.
  public var bytes: [UInt8] = []

  /// A compound that is being written.
  public struct Compound: ~Copyable, Sendable {
    fileprivate let start: Int
    /// Values so far; in a map, keys and values both count.
    public var count = 0
  }

  /// Creates an empty writer with room for `capacity` bytes.
  public init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  /// Forgets what was written and keeps the storage.
  public mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  // MARK: Primitive types

  /// Writes the null value.
  public mutating func null() { bytes.append(0x40) }

  /// Writes the descriptor of a performative, section, outcome or SASL frame.
  public mutating func descriptor(_ code: UInt8) {
    bytes.append(0x00)
    bytes.append(0x53)
    bytes.append(code)
  }

  /// Writes a boolean.
  public mutating func boolean(_ value: Bool) { bytes.append(value ? 0x41 : 0x42) }

  /// Writes an unsigned 32-bit number.
  public mutating func uint(_ value: UInt32) {
    switch value {
    case 0: bytes.append(0x43)
    case ..<256: short(0x52, UInt8(truncatingIfNeeded: value))
    default: fixed(0x70, UInt64(value), 4)
    }
  }

  /// Writes an unsigned 64-bit number.
  public mutating func ulong(_ value: UInt64) {
    switch value {
    case 0: bytes.append(0x44)
    case ..<256: short(0x53, UInt8(truncatingIfNeeded: value))
    default: fixed(0x80, value, 8)
    }
  }

  /// Writes a signed 32-bit number.
  public mutating func int(_ value: Int32) {
    if let small = Int8(exactly: value) { return short(0x54, UInt8(bitPattern: small)) }
    fixed(0x71, UInt64(UInt32(bitPattern: value)), 4)
  }

  /// Writes a signed 64-bit number.
  public mutating func long(_ value: Int64) {
    if let small = Int8(exactly: value) { return short(0x55, UInt8(bitPattern: small)) }
    fixed(0x81, UInt64(bitPattern: value), 8)
  }

  /// Writes milliseconds since 1970.
  public mutating func timestamp(_ milliseconds: Int64) {
    fixed(0x83, UInt64(bitPattern: milliseconds), 8)
  }

  /// Writes opaque bytes.
  public mutating func binary(_ value: Span<UInt8>) { variable(0xA0, value) }

  /// Writes text that is UTF-8 already.
  public mutating func string(_ utf8: Span<UInt8>) { variable(0xA1, utf8) }

  /// Writes text.
  public mutating func string(_ text: String) { text8(0xA1, text) }

  /// Writes a symbol; the text must be ASCII.
  public mutating func symbol(_ text: String) { text8(0xA3, text) }

  // MARK: Compounds

  /// Begins a list; `end` it.
  public mutating func beginList() -> Compound { begin(0xD0) }

  /// Begins a map; `end` it.
  public mutating func beginMap() -> Compound { begin(0xD1) }

  /// Ends a compound: puts its size and count in.
  public mutating func end(_ compound: consuming Compound) {
    let size = bytes.count - compound.start - 4
    put32(UInt32(truncatingIfNeeded: size), at: compound.start)
    put32(UInt32(truncatingIfNeeded: compound.count), at: compound.start + 4)
  }

  /// Writes an array of symbols, also of one (contract §8.5 asks for the array form).
  public mutating func symbols(_ values: [String]) {
    array(values.map { .symbol($0) })
  }

  // MARK: Any value

  /// Writes any value, in the same type.
  public mutating func value(_ value: AMQPValue) {
    switch value {
    case .null: null()
    case .boolean(let value): boolean(value)
    case .ubyte(let value): short(0x50, value)
    case .ushort(let value): fixed(0x60, UInt64(value), 2)
    case .uint(let value): uint(value)
    case .ulong(let value): ulong(value)
    case .byte(let value): short(0x51, UInt8(bitPattern: value))
    case .short(let value): fixed(0x61, UInt64(UInt16(bitPattern: value)), 2)
    case .int(let value): int(value)
    case .long(let value): long(value)
    case .float(let value): fixed(0x72, UInt64(value.bitPattern), 4)
    case .double(let value): fixed(0x82, value.bitPattern, 8)
    case .decimal(let value): opaque([4: 0x74, 8: 0x84, 16: 0x94][value.count], value)
    case .char(let value): fixed(0x73, UInt64(value.value), 4)
    case .timestamp(let value): timestamp(value)
    case .uuid(let value): opaque(value.count == 16 ? 0x98 : nil, value)
    case .binary(let value): binary(value.span)
    case .string(let value): string(value)
    case .symbol(let value): symbol(value)
    case .list(let values): list(values)
    case .map(let value): map(value)
    case .array(let values): array(values)
    case .described(let descriptor, let value):
      bytes.append(0x00)
      self.value(descriptor)
      self.value(value)
    }
  }

  /// Writes a list.
  public mutating func list(_ values: [AMQPValue]) {
    guard !values.isEmpty else { return bytes.append(0x45) }
    var compound = beginList()
    for item in values { value(item) }
    compound.count = values.count
    end(compound)
  }

  /// Writes a map.
  public mutating func map(_ map: AMQPMap) {
    var compound = beginMap()
    for pair in map.pairs {
      value(pair.key)
      value(pair.value)
    }
    compound.count = map.pairs.count * 2
    end(compound)
  }

  // MARK: Inside

  private mutating func begin(_ constructor: UInt8) -> Compound {
    bytes.append(constructor)
    let start = bytes.count
    for _ in 0..<8 { bytes.append(0) }
    return Compound(start: start)
  }

  private mutating func put32(_ value: UInt32, at index: Int) {
    for shift in 0..<4 {
      bytes[index + shift] = UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32(shift)))
    }
  }

  private mutating func short(_ constructor: UInt8, _ value: UInt8) {
    bytes.append(constructor)
    bytes.append(value)
  }

  private mutating func fixed(_ constructor: UInt8, _ value: UInt64, _ count: Int) {
    bytes.append(constructor)
    for index in (0..<count).reversed() {
      bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index)))
    }
  }

  /// Bytes that a type of this width holds; null where no type has it.
  private mutating func opaque(_ constructor: UInt8?, _ value: [UInt8]) {
    guard let constructor else { return null() }
    bytes.append(constructor)
    bytes.append(contentsOf: value)
  }

  private mutating func length(_ constructor: UInt8, _ count: Int) {
    if let small = UInt8(exactly: count) { return short(constructor, small) }
    fixed(constructor + 0x10, UInt64(UInt32(truncatingIfNeeded: count)), 4)
  }

  private mutating func variable(_ constructor: UInt8, _ value: Span<UInt8>) {
    length(constructor, value.count)
    unsafe value.withUnsafeBufferPointer { unsafe bytes.append(contentsOf: $0) }
  }

  private mutating func text8(_ constructor: UInt8, _ text: String) {
    length(constructor, text.utf8.count)
    bytes.append(contentsOf: text.utf8)
  }

  /// An array has one constructor for all: the widest form of its first element's type.
  private mutating func array(_ values: [AMQPValue]) {
    bytes.append(0xF0)
    let start = bytes.count
    for _ in 0..<8 { bytes.append(0) }
    var constructor: UInt8 = 0x40
    var count: UInt32 = 0
    for (index, item) in values.enumerated() {
      var single = AMQPWriter()
      single.wide(item)
      if index == 0 {
        constructor = single.bytes.first ?? 0x40
        bytes.append(constructor)
      }
      // Of another type than the first: it has no place in this array.
      guard single.bytes.first == constructor else { continue }
      bytes.append(contentsOf: single.bytes.dropFirst())
      count += 1
    }
    if values.isEmpty { bytes.append(constructor) }
    put32(UInt32(truncatingIfNeeded: bytes.count - start - 4), at: start)
    put32(count, at: start + 4)
  }

  private mutating func wide(_ item: AMQPValue) {
    switch item {
    case .boolean(let value): short(0x56, value ? 1 : 0)
    case .uint(let value): fixed(0x70, UInt64(value), 4)
    case .ulong(let value): fixed(0x80, value, 8)
    case .int(let value): fixed(0x71, UInt64(UInt32(bitPattern: value)), 4)
    case .long(let value): fixed(0x81, UInt64(bitPattern: value), 8)
    case .string(let text): wide(0xB1, Array(text.utf8))
    case .symbol(let text): wide(0xB3, Array(text.utf8))
    case .binary(let value): wide(0xB0, value)
    default: value(item)
    }
  }

  private mutating func wide(_ constructor: UInt8, _ value: [UInt8]) {
    fixed(constructor, UInt64(UInt32(truncatingIfNeeded: value.count)), 4)
    bytes.append(contentsOf: value)
  }
}
