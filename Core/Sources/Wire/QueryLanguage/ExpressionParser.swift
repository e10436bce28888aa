/// The expressions that both grammars share, by precedence climbing (hub contract section 9.4).
///
/// Nesting recurses and is limited; chains of operators loop, so their length costs no stack.
struct ExpressionParser {
  let text: [UInt8]
  let tokens: [Token]
  let dialect: Dialect
  var builder: ProgramBuilder
  var index = 0
  /// What a path of a twin query may begin with besides its first name: `devices.` or an alias.
  var prefixes: [[String]] = []
  /// Whether INTO ends the expression, as it does in a route, and so is no name.
  var endsAtInto = false
  private var depth = 0

  init(_ text: String, dialect: Dialect) throws(QueryFault) {
    try self.init(Array(text.utf8), from: 0, dialect: dialect)
  }

  /// Reads `bytes` from the one at `start` on; places are counted from the first.
  init(_ bytes: [UInt8], from start: Int, dialect: Dialect) throws(QueryFault) {
    self.text = bytes
    self.tokens = try Lexer.tokens(bytes, from: start, dialect: dialect)
    self.dialect = dialect
    self.builder = ProgramBuilder(text: bytes, dialect: dialect)
  }

  typealias Part = ProgramBuilder.Part

  var token: Token { tokens[index] }
  /// The token behind the next one; the end token repeats.
  var following: Token { tokens[min(index + 1, tokens.count - 1)] }

  /// Takes the next token; the end token stays.
  @discardableResult
  mutating func take() -> Token {
    defer { if index < tokens.count - 1 { index += 1 } }
    return tokens[index]
  }

  mutating func take(_ symbol: Token.Symbol) -> Bool {
    guard token.kind == .symbol(symbol) else { return false }
    take()
    return true
  }

  mutating func expect(_ symbol: Token.Symbol, _ words: String) throws(QueryFault) {
    guard take(symbol) else { throw fault(.expected(.word(words))) }
  }

  mutating func takeKeyword(_ word: String) -> Bool {
    guard token.isKeyword(word) else { return false }
    take()
    return true
  }

  func fault(_ rule: QueryRule, at place: Token? = nil) -> QueryFault {
    QueryFault(rule, at: place ?? token, in: text)
  }

  // MARK: Operators

  private enum Operation {
    case logical(Program.Shortcut)
    case compare(Comparison)
    case among
    case arithmetic(Arithmetic)
    case concatenate
  }

  /// Weakest first; the numbers matter by their order only.
  private enum Precedence {
    static let weakest = 1
    static let comparison = 4
  }

  /// The operator that comes next and how tightly it binds.
  private var operation: (Operation, Int)? {
    switch token.kind {
    case .symbol(.coalesce): return (.logical(.isDefined), 1)
    case .symbol(.equal): return (.compare(.equal), 4)
    case .symbol(.notEqual): return (.compare(.notEqual), 4)
    case .symbol(.less): return (.compare(.less), 5)
    case .symbol(.lessOrEqual): return (.compare(.lessOrEqual), 5)
    case .symbol(.greater): return (.compare(.greater), 5)
    case .symbol(.greaterOrEqual): return (.compare(.greaterOrEqual), 5)
    case .symbol(.plus): return (.arithmetic(.add), 6)
    case .symbol(.minus): return (.arithmetic(.subtract), 6)
    case .symbol(.concatenate): return (.concatenate, 6)
    case .symbol(.star): return (.arithmetic(.multiply), 7)
    case .symbol(.slash): return (.arithmetic(.divide), 7)
    case .symbol(.percent): return (.arithmetic(.remainder), 7)
    case .word:
      if token.isKeyword("or") { return (.logical(.isTrue), 2) }
      if token.isKeyword("and") { return (.logical(.isFalse), 3) }
      let startsList =
        token.isKeyword("in") || token.isKeyword("nin")
        || (token.isKeyword("not") && following.isKeyword("in"))
      return dialect.isTwinQuery && startsList ? (.among, 5) : nil
    default: return nil
    }
  }

  /// An expression whose operators bind at least as tightly as `weakest`.
  mutating func expression(_ weakest: Int = Precedence.weakest) throws(QueryFault) -> Part {
    var left = try unary()
    while let (operation, precedence) = operation, precedence >= weakest {
      if case .among = operation {
        left = try among(left)
        continue
      }
      let sign = take()
      switch operation {
      case .logical(let shortcut):
        let branch = builder.shortcut(shortcut, left)
        let right = try expression(precedence + 1)
        left = try builder.logical(shortcut, left, right, sign, branch)
      case .compare(let comparison):
        let right = try expression(precedence + 1)
        left = try builder.compare(comparison, left, right, sign)
      case .arithmetic(let arithmetic):
        let right = try expression(precedence + 1)
        left = try builder.arithmetic(arithmetic, left, right, sign)
      case .concatenate:
        let right = try expression(precedence + 1)
        left = try builder.concatenate(left, right, sign)
      case .among: break
      }
    }
    return left
  }

  private mutating func unary() throws(QueryFault) -> Part {
    let sign = token
    if take(.minus) {
      try enter(sign)
      defer { depth -= 1 }
      let operand = try unary()
      return try builder.negate(operand, sign)
    }
    if takeKeyword("not") {
      try enter(sign)
      defer { depth -= 1 }
      // Twin queries read `NOT a = 1` as SQL does; in routing NOT binds tightest.
      let operand =
        dialect.isTwinQuery ? try expression(Precedence.comparison) : try unary()
      return try builder.not(operand, sign)
    }
    return try primary()
  }

  private mutating func enter(_ place: Token) throws(QueryFault) {
    guard depth < QueryLimits.depth else {
      throw fault(.tooDeep(limit: QueryLimits.depth), at: place)
    }
    depth += 1
  }

  private mutating func primary() throws(QueryFault) -> Part {
    let start = token
    switch start.kind {
    case .number(let value):
      take()
      return builder.constant(value, start)
    case .text(let value):
      take()
      return builder.constant(.text(value), start)
    case .symbol(.leftParenthesis):
      try enter(start)
      defer { depth -= 1 }
      take()
      let inner = try expression()
      guard token.kind == .symbol(.rightParenthesis) else {
        throw fault(.expected(.word("\")\"")))
      }
      let close = take()
      return Part(
        register: inner.register,
        type: inner.type,
        offset: start.offset,
        end: close.end
      )
    case .system(let name, let forced):
      take()
      return try system(name, forced: forced, start)
    case .word(let word):
      if let literal = literal(word) {
        take()
        return builder.constant(literal, start)
      }
      if following.kind == .symbol(.leftParenthesis), !isReserved(word) { return try call(word) }
      guard !isReserved(word) else { throw fault(.expected(.expression)) }
      if dialect.isTwinQuery { return try path() }
      take()
      // Names ignore case at the edge (edge contract section 6.3).
      let name = dialect.isEdge ? word.lowercased() : word
      return builder.load(.application(name), from: start.offset, to: start.end)
    default: throw fault(.expected(.expression))
    }
  }

  /// The literals; routing knows them in lower case only, `TRUE` being a property there.
  private func literal(_ word: String) -> Value? {
    switch dialect.isTwinQuery ? word.asciiLowercased : word {
    case "true": .truth(true)
    case "false": .truth(false)
    case "null": .null
    case "undefined": .undefined
    default: nil
    }
  }

  /// Whether `word` is a key word and so no name where an expression begins.
  func isReserved(_ word: String) -> Bool {
    switch word.asciiLowercased {
    case "and", "or", "not": true
    case "select", "top", "from", "where", "group", "by", "as", "in", "nin":
      dialect.isTwinQuery
    case "into": endsAtInto
    default: false
    }
  }

  // MARK: Lists and calls

  private mutating func among(_ left: Part) throws(QueryFault) -> Part {
    let isNegated = takeKeyword("not") || token.isKeyword("nin")
    take()
    try expect(.leftBracket, "\"[\"")
    var list: [Value] = []
    if token.kind != .symbol(.rightBracket) {
      repeat {
        guard list.count < QueryLimits.items else {
          throw fault(.tooManyItems(limit: QueryLimits.items))
        }
        list.append(try listConstant())
      } while take(.comma)
    }
    guard token.kind == .symbol(.rightBracket) else {
      throw fault(.expected(.word("\",\" or \"]\"")))
    }
    let close = take()
    return builder.among(left, list, isNegated: isNegated, to: close.end)
  }

  private mutating func listConstant() throws(QueryFault) -> Value {
    let isNegative = take(.minus)
    let place = take()
    switch place.kind {
    case .number(let value): return isNegative ? Arithmetic.subtract(.integer(0), value) : value
    case .text(let value) where !isNegative: return .text(value)
    case .word(let word) where !isNegative:
      if let value = literal(word) { return value }
    default: break
    }
    throw fault(.expected(.constant), at: place)
  }

  private mutating func call(_ word: String) throws(QueryFault) -> Part {
    let name = take()
    guard let function = Function(word, dialect) else { throw fault(.unknownFunction, at: name) }
    try enter(name)
    defer { depth -= 1 }
    take()
    if function == .twinChangeIncludes { return try twinChange(name) }
    var arguments: [Part] = []
    if token.kind != .symbol(.rightParenthesis) {
      repeat {
        guard arguments.count < QueryLimits.items else {
          throw fault(.tooManyItems(limit: QueryLimits.items))
        }
        arguments.append(try expression())
      } while take(.comma)
    }
    guard token.kind == .symbol(.rightParenthesis) else {
      throw fault(.expected(.word("\",\" or \")\"")))
    }
    let close = take()
    return try builder.call(function, arguments, name, to: close.end)
  }

  /// `twin_change_includes(path)`: the path stands there as a name or as text.
  private mutating func twinChange(_ name: Token) throws(QueryFault) -> Part {
    let place = take()
    let path: String
    switch place.kind {
    case .word(let word): path = word
    case .text(let text): path = text
    default: throw fault(.expected(.name), at: place)
    }
    guard let steps = PathStep.steps(path) else { throw fault(.malformedPath, at: place) }
    guard token.kind == .symbol(.rightParenthesis) else {
      throw fault(.expected(.word("\")\"")))
    }
    let close = take()
    return builder.load(.twinChange(steps), from: name.offset, to: close.end)
  }
}
