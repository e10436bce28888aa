import JSONTree

extension Lexer {
  /// A word of a routing condition: the longest run of property characters (hub contract section
  /// 9.4), which is a number if all of it is one.
  mutating func routingWord() throws(QueryFault) {
    let start = position
    if byte() == UInt8(ascii: "{") { return try forcedSystemProperty() }
    if byte() == UInt8(ascii: "$") {
      position += 1
      let name = try systemName()
      return emit(.system(name, forced: false), from: start)
    }
    while position < text.count, Self.isPropertyByte(byte()) { position += 1 }
    guard position > start else { throw unexpectedCharacter() }
    let run = text[start..<position]
    if let number = Self.number(run) {
      return emit(.number(number), from: start)
    }
    if let quote = run.firstIndex(of: UInt8(ascii: "'")) {
      throw fault(.operatorInName, from: quote, length: 1)
    }
    if run.last == UInt8(ascii: "!") {
      throw fault(.operatorInName, from: position - 1, length: 1)
    }
    emit(.word(String(decoding: run, as: UTF8.self)), from: start)
  }

  /// Reads `{$name}`.
  private mutating func forcedSystemProperty() throws(QueryFault) {
    let start = position
    position += 1
    while byte() == 0x20 { position += 1 }
    guard byte() == UInt8(ascii: "$") else { throw fault(.unexpectedCharacter, from: start) }
    position += 1
    let name = try systemName()
    while byte() == 0x20 { position += 1 }
    guard byte() == UInt8(ascii: "}") else { throw fault(.unterminatedName, from: start) }
    position += 1
    emit(.system(name, forced: true), from: start)
  }

  /// Reads the name behind a dollar sign, in which brackets are allowed.
  private mutating func systemName() throws(QueryFault) -> String {
    let start = position
    while position < text.count {
      if byte() == UInt8(ascii: "["), byte(1) == UInt8(ascii: "[") {
        _ = try quotedStep()
      } else if Self.isPropertyByte(byte()) || byte() == UInt8(ascii: "[")
        || byte() == UInt8(ascii: "]")
      {
        position += 1
      } else {
        break
      }
    }
    guard position > start else { throw fault(.expected(.name), from: position, length: 1) }
    if text[position - 1] == UInt8(ascii: "!") {
      throw fault(.operatorInName, from: position - 1, length: 1)
    }
    return String(decoding: text[start..<position], as: UTF8.self)
  }

  /// A word, number or dot of a twin query.
  mutating func queryWord() throws(QueryFault) {
    let start = position
    let followsDot = tokens.last?.kind == .symbol(.dot)
    if byte() == UInt8(ascii: ".") {
      // A dot behind a name leads on; elsewhere it may begin a number.
      guard !continuesPath, Self.isDigit(byte(1)) else { return emit(.dot, length: 1) }
      return try queryNumber()
    }
    if !followsDot, Self.isDigit(byte()) { return try queryNumber() }
    while position < text.count, Self.isNameByte(byte()) { position += 1 }
    guard position > start else { throw unexpectedCharacter() }
    emit(.word(String(decoding: text[start..<position], as: UTF8.self)), from: start)
  }

  private var continuesPath: Bool {
    switch tokens.last?.kind {
    case .word, .step, .symbol(.rightBracket): true
    default: false
    }
  }

  private mutating func queryNumber() throws(QueryFault) {
    let start = position
    while position < text.count {
      let previous = position > start ? text[position - 1] | 0x20 : 0
      let isHexadecimal = position > start + 1 && text[start + 1] | 0x20 == UInt8(ascii: "x")
      let isSign = byte() == UInt8(ascii: "+") || byte() == UInt8(ascii: "-")
      let belongs =
        Self.isNameByte(byte()) || byte() == UInt8(ascii: ".")
        || (isSign && previous == UInt8(ascii: "e") && !isHexadecimal)
      guard belongs else { break }
      position += 1
    }
    guard let number = Self.number(text[start..<position]) else {
      throw fault(.malformedNumber, from: start)
    }
    emit(.number(number), from: start)
  }

  private func unexpectedCharacter() -> QueryFault {
    var length = 1
    while position + length < text.count, text[position + length] & 0xC0 == 0x80 { length += 1 }
    return fault(.unexpectedCharacter, from: position, length: length)
  }

  /// The number that all of `run` spells, or nil.
  static func number(_ run: ArraySlice<UInt8>) -> Value? {
    guard let first = run.first, isDigit(first) || first == UInt8(ascii: ".") else { return nil }
    if run.count > 2, first == UInt8(ascii: "0"),
      run[run.startIndex + 1] | 0x20 == UInt8(ascii: "x")
    {
      let digits = String(decoding: run.dropFirst(2), as: UTF8.self)
      guard let value = UInt64(digits, radix: 16), digits.utf8.first != UInt8(ascii: "+") else {
        return nil
      }
      return Int64(exactly: value).map { .integer($0) } ?? .real(Double(value))
    }
    return decimal(run.span)
  }

  /// The unsigned decimal number that all of `run` spells: digits, a fraction, an exponent.
  static func decimal(_ run: Span<UInt8>) -> Value? {
    guard let parts = DecimalText.parts(run) else { return nil }
    if parts.isInteger, !parts.isTruncated, parts.exponent == 0,
      let value = Int64(exactly: parts.significand)
    {
      return .integer(value)
    }
    let value = DecimalText.double(parts, of: run)
    return value.isFinite ? .real(value) : nil
  }

  static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  /// Characters of a path's names: letters, digits, `_`, `$` and everything beyond ASCII.
  static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "$"), 0x80...0xFF:
      true
    default: false
    }
  }

  /// Characters of a property's name (hub contract section 9.4).
  static func isPropertyByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0...0x20, 0x7F, UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "<"),
      UInt8(ascii: ">"), UInt8(ascii: "@"), UInt8(ascii: ","), UInt8(ascii: ";"),
      UInt8(ascii: ":"), UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "/"),
      UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "?"), UInt8(ascii: "="),
      UInt8(ascii: "{"), UInt8(ascii: "}"):
      false
    default: true
    }
  }
}
