internal import ByteIO

/// Reads the core deterministic encoding of CBOR and nothing else, within limits (RFC 8949 §4.2.1).
///
/// There is one encoding for a value, and every other one is refused: longer heads, indefinite
/// lengths, keys out of order or twice. So what two readers make of the same bytes can't differ, and
/// no signed bytes can be rewritten into others that mean the same.
///
/// Two ways to read: `value` builds a tree; the others take one item each, byte strings as ranges.
public struct CBORReader: ~Escapable {
  private struct Head {
    let type: CBORType
    let information: UInt8
    let argument: UInt64
  }

  private var reader: ByteReader
  private var itemsLeft: Int
  private let depthLimit: Int

  /// Creates a reader at the first byte.
  ///
  /// Throws `tooLong` if there are more bytes than `limits` allow.
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>, limits: CBORLimits = CBORLimits()) throws(COSEFault) {
    guard bytes.count <= limits.byteCount else {
      throw .tooLong(byteCount: bytes.count, maximum: limits.byteCount)
    }
    reader = ByteReader(bytes)
    itemsLeft = limits.items
    depthLimit = limits.depth
  }

  /// Index of the next byte.
  public var position: Int { reader.position }

  /// Throws `trailingBytes` unless all was read.
  public func finish() throws(COSEFault) {
    guard reader.remaining == 0 else { throw .trailingBytes }
  }

  /// The major type of the next item, or nil at the end.
  public var nextType: CBORType? {
    guard reader.remaining > 0 else { return nil }
    return CBORType(rawValue: reader.bytes[reader.position] >> 5)
  }

  // MARK: Single items

  /// Reads the head of an array and returns how many items follow.
  @_lifetime(self: copy self)
  public mutating func arrayCount() throws(COSEFault) -> Int {
    let head = try head()
    guard head.type == .array else { throw .unexpectedType }
    return try count(head.argument, bytesEach: 1)
  }

  /// Reads a byte string as the range where its bytes lie.
  @_lifetime(self: copy self)
  public mutating func byteStringRange() throws(COSEFault) -> Range<Int> {
    let head = try head()
    guard head.type == .bytes else { throw .unexpectedType }
    return try range(head.argument)
  }

  /// Reads an integer that is not negative.
  @_lifetime(self: copy self)
  public mutating func unsigned() throws(COSEFault) -> UInt64 {
    let head = try head()
    guard head.type == .unsigned else { throw .unexpectedType }
    return head.argument
  }

  /// Reads a null if it is next, and tells whether it was.
  @_lifetime(self: copy self)
  public mutating func null() throws(COSEFault) -> Bool {
    guard reader.remaining > 0, reader.bytes[reader.position] == 0xF6 else { return false }
    _ = try head()
    return true
  }

  /// Reads the number of a tag if one is next; its content follows.
  @_lifetime(self: copy self)
  public mutating func tag() throws(COSEFault) -> UInt64? {
    guard nextType == .tag else { return nil }
    return try head().argument
  }

  /// Reads the next item with all that is inside it.
  @_lifetime(self: copy self)
  public mutating func value() throws(COSEFault) -> CBORValue { try value(depth: 0) }

  // MARK: Values

  @_lifetime(self: copy self)
  private mutating func value(depth: Int) throws(COSEFault) -> CBORValue {
    let head = try head()
    switch head.type {
    case .unsigned: return .unsigned(head.argument)
    case .negative: return .negative(head.argument)
    case .bytes: return .bytes(try bytes(head.argument))
    case .text:
      let bytes = try bytes(head.argument)
      guard UTF8Check.isValid(bytes.span) else { throw .invalidUTF8 }
      return .text(CBORText(checked: bytes))
    case .array:
      guard depth < depthLimit else { throw .nestingTooDeep }
      let count = try count(head.argument, bytesEach: 1)
      var values: [CBORValue] = []
      values.reserveCapacity(count)
      for _ in 0..<count { values.append(try value(depth: depth + 1)) }
      return .array(values)
    case .map: return .map(try map(head.argument, depth: depth))
    case .tag:
      guard depth < depthLimit else { throw .nestingTooDeep }
      let content = try value(depth: depth + 1)
      if head.argument == 2 || head.argument == 3 { try checkBignum(content) }
      return .tagged(head.argument, content)
    case .simple: return try simple(head)
    }
  }

  @_lifetime(self: copy self)
  private mutating func map(_ argument: UInt64, depth: Int) throws(COSEFault) -> CBORMap {
    guard depth < depthLimit else { throw .nestingTooDeep }
    let count = try count(argument, bytesEach: 2)
    var map = CBORMap()
    for _ in 0..<count {
      let start = reader.position
      let key = try value(depth: depth + 1)
      let encoded = reader.bytes.extracting(start..<reader.position).array()
      try map.append(key, encodedKey: encoded, try value(depth: depth + 1))
    }
    return map
  }

  /// Integers that fit 64 bits are no bignums, and those that don't have no leading zeros
  /// (RFC 8949 §3.4.3).
  private func checkBignum(_ content: CBORValue) throws(COSEFault) {
    guard let bytes = content.bytes else { throw .unexpectedType }
    guard bytes.count > 8, bytes.first != 0 else { throw .notShortest }
  }

  private func simple(_ head: Head) throws(COSEFault) -> CBORValue {
    switch head.information {
    case 20: return .boolean(false)
    case 21: return .boolean(true)
    case 22: return .null
    case 23: return .undefined
    case 25:
      let bits = UInt16(truncatingIfNeeded: head.argument)
      let value = CBORFloat.value(half: bits)
      guard !value.isNaN || bits == CBORFloat.notANumber else { throw .notShortest }
      return .double(value)
    case 26:
      let value = Float(bitPattern: UInt32(truncatingIfNeeded: head.argument))
      guard CBORFloat.half(value) == nil else { throw .notShortest }
      return .double(Double(value))
    case 27:
      let value = Double(bitPattern: head.argument)
      guard CBORFloat.single(value) == nil else { throw .notShortest }
      return .double(value)
    default: throw .unassignedSimpleValue(UInt8(truncatingIfNeeded: head.argument))
    }
  }

  // MARK: Heads and lengths

  @_lifetime(self: copy self)
  private mutating func head() throws(COSEFault) -> Head {
    guard itemsLeft > 0 else { throw .tooManyItems }
    itemsLeft -= 1
    guard let initial = reader.uint8() else { throw .truncated }
    // Three bits have eight values, all of which are types.
    guard let type = CBORType(rawValue: initial >> 5) else { throw .unexpectedType }
    let information = initial & 0x1F
    let argument: UInt64
    switch information {
    case 0..<24: argument = UInt64(information)
    case 24:
      guard let value = reader.uint8() else { throw .truncated }
      // Simple values below 32 in two bytes are not even well-formed (§3.3).
      guard value >= (type == .simple ? 32 : 24) else { throw .notShortest }
      argument = UInt64(value)
    case 25:
      guard let value = reader.uint16() else { throw .truncated }
      guard type == .simple || value > UInt8.max else { throw .notShortest }
      argument = UInt64(value)
    case 26:
      guard let value = reader.uint32() else { throw .truncated }
      guard type == .simple || value > UInt16.max else { throw .notShortest }
      argument = UInt64(value)
    case 27:
      guard let value = reader.uint64() else { throw .truncated }
      guard type == .simple || value > UInt32.max else { throw .notShortest }
      argument = value
    case 31: throw .indefiniteLength
    default: throw .reservedAdditionalInformation(information)
    }
    return Head(type: type, information: information, argument: argument)
  }

  /// The number of items or entries a head announces, if so many can follow.
  ///
  /// Every one takes at least `bytesEach` bytes and as many items, so a head alone can't make room
  /// for more than what is there and allowed.
  private func count(_ argument: UInt64, bytesEach: Int) throws(COSEFault) -> Int {
    guard let count = Int(exactly: argument), count <= reader.remaining / bytesEach else {
      throw .truncated
    }
    guard count <= itemsLeft / bytesEach else { throw .tooManyItems }
    return count
  }

  @_lifetime(self: copy self)
  private mutating func range(_ argument: UInt64) throws(COSEFault) -> Range<Int> {
    guard let count = Int(exactly: argument), let range = reader.range(count) else {
      throw .truncated
    }
    return range
  }

  @_lifetime(self: copy self)
  private mutating func bytes(_ argument: UInt64) throws(COSEFault) -> [UInt8] {
    let range = try range(argument)
    return reader.bytes.extracting(range).array()
  }
}
