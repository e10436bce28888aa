/// Cuts a text into tokens.
///
/// One lexer for both grammars. They differ in the characters of a name: a routing property may
/// hold `-`, `.`, `+` and more, so `a-b` is one name there and a difference in a twin query.
struct Lexer {
  let text: [UInt8]
  let dialect: Dialect
  var position: Int
  private(set) var tokens: [Token] = []

  /// The tokens of `text` from byte `start` on, an end token last.
  static func tokens(
    _ text: [UInt8],
    from start: Int = 0,
    dialect: Dialect
  ) throws(QueryFault) -> [Token] {
    var characters = 0
    for (offset, byte) in text.enumerated() where byte & 0xC0 != 0x80 {
      characters += 1
      guard characters <= QueryLimits.characters else {
        let rule = QueryRule.textTooLong(limit: QueryLimits.characters)
        throw QueryFault(rule, offset: offset, length: text.count - offset, in: text)
      }
    }
    var lexer = Lexer(text: text, dialect: dialect, position: start)
    while try lexer.skipBlanks() { try lexer.next() }
    lexer.emit(.end, from: text.count)
    return lexer.tokens
  }

  private init(text: [UInt8], dialect: Dialect, position: Int) {
    self.text = text
    self.dialect = dialect
    self.position = position
  }

  /// The byte `ahead` of the position, 0 beyond the end.
  func byte(_ ahead: Int = 0) -> UInt8 {
    let index = position + ahead
    return index < text.count ? text[index] : 0
  }

  func fault(_ rule: QueryRule, from start: Int, length: Int? = nil) -> QueryFault {
    QueryFault(rule, offset: start, length: length ?? position - start, in: text)
  }

  mutating func emit(_ kind: Token.Kind, from start: Int) {
    tokens.append(Token(kind: kind, offset: start, length: position - start))
  }

  mutating func emit(_ symbol: Token.Symbol, length: Int) {
    let start = position
    position += length
    emit(.symbol(symbol), from: start)
  }

  /// Skips blanks and comments; false at the end.
  private mutating func skipBlanks() throws(QueryFault) -> Bool {
    while position < text.count {
      switch byte() {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      case UInt8(ascii: "/") where byte(1) == UInt8(ascii: "*"):
        let start = position
        position += 2
        while !(byte() == UInt8(ascii: "*") && byte(1) == UInt8(ascii: "/")) {
          position += 1
          guard position < text.count else {
            throw fault(.unterminatedComment, from: start, length: 2)
          }
        }
        position += 2
      default: return true
      }
    }
    return false
  }

  private mutating func next() throws(QueryFault) {
    let start = position
    switch byte() {
    case UInt8(ascii: "("): emit(.leftParenthesis, length: 1)
    case UInt8(ascii: ")"): emit(.rightParenthesis, length: 1)
    case UInt8(ascii: "["):
      if byte(1) == UInt8(ascii: "[") {
        let name = try quotedStep()
        emit(.step(name), from: start)
      } else {
        emit(.leftBracket, length: 1)
      }
    case UInt8(ascii: "]"): emit(.rightBracket, length: 1)
    case UInt8(ascii: ","): emit(.comma, length: 1)
    case UInt8(ascii: "="):
      if byte(1) == UInt8(ascii: "=") { throw fault(.foreignOperator, from: start, length: 2) }
      emit(.equal, length: 1)
    case UInt8(ascii: "<"):
      switch byte(1) {
      case UInt8(ascii: "="): emit(.lessOrEqual, length: 2)
      case UInt8(ascii: ">"): emit(.notEqual, length: 2)
      default: emit(.less, length: 1)
      }
    case UInt8(ascii: ">"):
      if byte(1) == UInt8(ascii: "=") {
        emit(.greaterOrEqual, length: 2)
      } else {
        emit(.greater, length: 1)
      }
    case UInt8(ascii: "?") where byte(1) == UInt8(ascii: "?"): emit(.coalesce, length: 2)
    case UInt8(ascii: "|") where byte(1) == UInt8(ascii: "|"): emit(.concatenate, length: 2)
    case UInt8(ascii: "!"):
      guard byte(1) == UInt8(ascii: "=") else {
        throw fault(.foreignOperator, from: start, length: 1)
      }
      emit(.notEqual, length: 2)
    case UInt8(ascii: "&"):
      let isDoubled = byte(1) == UInt8(ascii: "&")
      throw fault(.foreignOperator, from: start, length: isDoubled ? 2 : 1)
    // Names may hold these four, but do not begin with them: `-$body.a` is a difference of signs.
    case UInt8(ascii: "+"): emit(.plus, length: 1)
    case UInt8(ascii: "-"): emit(.minus, length: 1)
    case UInt8(ascii: "*"): emit(.star, length: 1)
    case UInt8(ascii: "%"): emit(.percent, length: 1)
    case UInt8(ascii: "/"): emit(.slash, length: 1)
    case UInt8(ascii: "'"), UInt8(ascii: "\""): try quotedText()
    default:
      if dialect.isTwinQuery { try queryWord() } else { try routingWord() }
    }
  }

  /// Reads `[[any]]` and gives what is inside.
  mutating func quotedStep() throws(QueryFault) -> String {
    let start = position
    position += 2
    while !(byte() == UInt8(ascii: "]") && byte(1) == UInt8(ascii: "]")) {
      position += 1
      guard position < text.count else { throw fault(.unterminatedName, from: start, length: 2) }
    }
    let name = String(decoding: text[(start + 2)..<position], as: UTF8.self)
    position += 2
    guard !name.isEmpty else { throw fault(.malformedPath, from: start) }
    return name
  }
}
