import ByteIO

/// One pass over a JSON text.
///
/// Recursive, with the depth bounded by the limits; values are built as they are met.
struct JSONParser: ~Escapable {
  private let bytes: Span<UInt8>
  private let maxDepth: Int
  private var position = 0
  private var nodesLeft: Int

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, limits: JSONLimits) {
    self.bytes = bytes
    self.maxDepth = min(limits.maxDepth, 512)
    self.nodesLeft = limits.maxNodes
  }

  /// The value that is the whole text.
  @_lifetime(self: copy self)
  mutating func document() throws(JSONFault) -> JSONValue {
    if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF {
      throw .byteOrderMark(offset: 0)
    }
    skipBlanks()
    let value = try value(depth: 0)
    skipBlanks()
    guard position == bytes.count else { throw .trailingBytes(offset: position) }
    return value
  }

  @_lifetime(self: copy self)
  private mutating func value(depth: Int) throws(JSONFault) -> JSONValue {
    guard position < bytes.count else { throw .unexpectedEnd(offset: position) }
    guard nodesLeft > 0 else { throw .tooManyNodes(offset: position) }
    nodesLeft -= 1
    switch bytes[position] {
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "-"), 0x30...0x39: return .number(try number())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    default: throw .unexpectedByte(offset: position)
    }
  }

  @_lifetime(self: copy self)
  private mutating func literal(
    _ word: StaticString,
    _ value: JSONValue
  ) throws(JSONFault) -> JSONValue {
    for index in 0..<word.utf8CodeUnitCount {
      guard position < bytes.count else { throw .unexpectedEnd(offset: position) }
      guard unsafe bytes[position] == word.utf8Start[index] else {
        throw .unexpectedByte(offset: position)
      }
      position += 1
    }
    return value
  }

  @_lifetime(self: copy self)
  private mutating func array(depth: Int) throws(JSONFault) -> JSONValue {
    guard depth < maxDepth else { throw .tooDeep(offset: position) }
    position += 1
    skipBlanks()
    if take(UInt8(ascii: "]")) { return .array([]) }
    var elements: [JSONValue] = []
    elements.reserveCapacity(4)
    while true {
      elements.append(try value(depth: depth + 1))
      skipBlanks()
      if take(UInt8(ascii: "]")) { return .array(elements) }
      try expect(UInt8(ascii: ","))
      skipBlanks()
    }
  }

  @_lifetime(self: copy self)
  private mutating func object(depth: Int) throws(JSONFault) -> JSONValue {
    guard depth < maxDepth else { throw .tooDeep(offset: position) }
    position += 1
    skipBlanks()
    if take(UInt8(ascii: "}")) { return .object(JSONObject()) }
    var object = JSONObject(capacity: 4)
    while true {
      guard position < bytes.count else { throw .unexpectedEnd(offset: position) }
      guard bytes[position] == UInt8(ascii: "\"") else { throw .unexpectedByte(offset: position) }
      let key = try string()
      skipBlanks()
      try expect(UInt8(ascii: ":"))
      skipBlanks()
      object.set(key, to: try value(depth: depth + 1))
      skipBlanks()
      if take(UInt8(ascii: "}")) { return .object(object) }
      try expect(UInt8(ascii: ","))
      skipBlanks()
    }
  }

  @_lifetime(self: copy self)
  private mutating func number() throws(JSONFault) -> JSONNumber {
    let start = position
    var scanner = NumberScanner()
    guard scanner.scan(bytes, from: start) else {
      if scanner.end == bytes.count { throw .unexpectedEnd(offset: scanner.end) }
      throw .malformedNumber(offset: scanner.end)
    }
    position = scanner.end
    // "01" scans as "0" and then meets a digit, which only a number could explain.
    if position < bytes.count, (0x30...0x39).contains(bytes[position]) {
      throw .malformedNumber(offset: position)
    }
    return JSONNumber(scanned: try text(start..<position, string: start))
  }

  /// Reads a string from its opening to behind its closing quote.
  @_lifetime(self: copy self)
  private mutating func string() throws(JSONFault) -> String {
    let start = position + 1
    // A local index: the loop is the reader's hottest, and `position` would be stored every time.
    var index = start
    while index < bytes.count {
      let byte = bytes[index]
      if byte == UInt8(ascii: "\"") {
        position = index + 1
        return try text(start..<index, string: start)
      }
      if byte == UInt8(ascii: "\\") {
        position = index
        return try stringWithEscapes(from: start)
      }
      if byte < 0x20 { throw .controlCharacter(offset: index) }
      index += 1
    }
    throw .unexpectedEnd(offset: index)
  }

  /// Goes on from the first backslash of the string that began at `start`.
  @_lifetime(self: copy self)
  private mutating func stringWithEscapes(from start: Int) throws(JSONFault) -> String {
    var buffer = bytes.extracting(start..<position).array()
    while position < bytes.count {
      let byte = bytes[position]
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        guard let text = String(validating: buffer, as: UTF8.self) else {
          throw .malformedUTF8(offset: start)
        }
        return text
      case UInt8(ascii: "\\"): try escape(into: &buffer)
      case 0..<0x20: throw .controlCharacter(offset: position)
      default:
        buffer.append(byte)
        position += 1
      }
    }
    throw .unexpectedEnd(offset: position)
  }

  @_lifetime(self: copy self)
  private mutating func escape(into buffer: inout [UInt8]) throws(JSONFault) {
    let start = position
    guard bytes.count - position >= 2 else { throw .unexpectedEnd(offset: bytes.count) }
    position += 2
    switch bytes[start + 1] {
    case UInt8(ascii: "\""): buffer.append(UInt8(ascii: "\""))
    case UInt8(ascii: "\\"): buffer.append(UInt8(ascii: "\\"))
    case UInt8(ascii: "/"): buffer.append(UInt8(ascii: "/"))
    case UInt8(ascii: "b"): buffer.append(0x08)
    case UInt8(ascii: "f"): buffer.append(0x0C)
    case UInt8(ascii: "n"): buffer.append(0x0A)
    case UInt8(ascii: "r"): buffer.append(0x0D)
    case UInt8(ascii: "t"): buffer.append(0x09)
    case UInt8(ascii: "u"):
      let scalar = try escapedScalar(from: start)
      buffer.append(contentsOf: String(Character(scalar)).utf8)
    default: throw .malformedEscape(offset: start)
    }
  }

  /// Reads four digits, and a second escape if they are the first half of a surrogate pair.
  @_lifetime(self: copy self)
  private mutating func escapedScalar(from start: Int) throws(JSONFault) -> Unicode.Scalar {
    let first = try codeUnit(from: start)
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, bytes.count - position >= 2, bytes[position] == UInt8(ascii: "\\"),
      bytes[position + 1] == UInt8(ascii: "u")
    else { throw .loneSurrogate(offset: start) }
    let secondStart = position
    position += 2
    let second = try codeUnit(from: secondStart)
    guard (0xDC00...0xDFFF).contains(second),
      let scalar = Unicode.Scalar(
        0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
      )
    else { throw .loneSurrogate(offset: start) }
    return scalar
  }

  @_lifetime(self: copy self)
  private mutating func codeUnit(from start: Int) throws(JSONFault) -> UInt16 {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard position < bytes.count else { throw .unexpectedEnd(offset: position) }
      guard let digit = Hex.digit(bytes[position]) else { throw .malformedEscape(offset: start) }
      unit = unit << 4 | UInt16(digit)
      position += 1
    }
    return unit
  }

  private func text(_ range: Range<Int>, string start: Int) throws(JSONFault) -> String {
    do {
      return String(copying: try UTF8Span(validating: bytes.extracting(range)))
    } catch {
      throw .malformedUTF8(offset: start)
    }
  }

  @_lifetime(self: copy self)
  private mutating func skipBlanks() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return
      }
    }
  }

  @_lifetime(self: copy self)
  private mutating func take(_ byte: UInt8) -> Bool {
    guard position < bytes.count, bytes[position] == byte else { return false }
    position += 1
    return true
  }

  @_lifetime(self: copy self)
  private mutating func expect(_ byte: UInt8) throws(JSONFault) {
    guard position < bytes.count else { throw .unexpectedEnd(offset: position) }
    guard bytes[position] == byte else { throw .unexpectedByte(offset: position) }
    position += 1
  }
}
