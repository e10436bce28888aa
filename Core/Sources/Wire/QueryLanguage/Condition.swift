import JSONTree

/// A compiled routing condition (hub contract section 9.4).
///
/// Compile once, when the route is saved; evaluating parses nothing.
public struct Condition: Sendable {
  let program: Program
  let dialect: Dialect
  /// Whether some part asks for the body, so that it has to be parsed.
  public let needsBody: Bool
  /// What is asked of the sender's twin.
  public let twinPaths: [[PathStep]]
  /// Whether some part asks for the sender's twin.
  public var needsTwin: Bool { !twinPaths.isEmpty }
  /// Whether `twin_change_includes` occurs, which only twin-change sources can answer.
  ///
  /// On messages of other sources it is asked of their body, so a route that uses it elsewhere
  /// should be refused.
  public let needsTwinChange: Bool
  /// Whether the condition is constantly true, as the empty one.
  public let isAlwaysTrue: Bool
  /// What the `contract` profile of the edge would refuse, if the condition is of the `lenient` one.
  public let extensions: [QueryFault]

  /// Compiles `text`; nothing but blanks and comments means `true`.
  ///
  /// - Parameters:
  ///   - text: at most 8192 characters.
  ///   - dialect: `routing`, or `edgeRouting`. A condition in `twinQuery` has no row to ask, so
  ///     its paths are undefined.
  /// - Throws: the first rule that the text breaks, with its place.
  public init(_ text: String, dialect: Dialect = .routing) throws(QueryFault) {
    var parser = try ExpressionParser(text, dialect: dialect)
    if parser.token.kind == .end {
      self.init(always: dialect)
      return
    }
    try self.init(&parser)
    guard parser.token.kind == .end else { throw parser.fault(.expected(.operatorOrEnd)) }
  }

  /// The condition that every message meets.
  init(always dialect: Dialect) {
    program = Program()
    self.dialect = dialect
    (needsBody, twinPaths, needsTwinChange, isAlwaysTrue) = (false, [], false, true)
    extensions = []
  }

  /// Compiles the expression that `parser` stands before.
  init(_ parser: inout ExpressionParser) throws(QueryFault) {
    let root = try parser.expression()
    program = parser.builder.finish(root)
    dialect = parser.dialect
    extensions = parser.builder.extensions
    var asksBody = false
    var twinPaths: [[PathStep]] = []
    var asksChange = false
    for operand in program.operands {
      switch operand {
      case .body, .applicationOrBody: asksBody = true
      case .twin(let path): twinPaths.append(path)
      case .twinChange: asksChange = true
      case .row, .application, .applicationOrSystem, .system: continue
      }
    }
    needsBody = asksBody || asksChange
    self.twinPaths = twinPaths
    needsTwinChange = asksChange
    isAlwaysTrue = program.steps.count == 1 && program.registers[0] == .truth(true)
  }

  /// The condition's truth for `message`.
  ///
  /// Text, a number or nothing as the whole condition is undefined.
  public func evaluate<Message: MessageFields & ~Copyable & ~Escapable>(
    _ message: borrowing Message
  ) -> Truth {
    if isAlwaysTrue { return .true }
    var machine = Machine(program)
    var inquiry = MessageInquiry(dialect)
    while let index = machine.run() {
      machine.supply(inquiry.answer(program.operands[index], message))
    }
    return truth(machine)
  }

  /// The truth that a machine has come to, once it has run.
  func truth(_ machine: borrowing Machine) -> Truth {
    dialect.isEdge ? machine.result.edgeTruth : machine.result.truth
  }

  /// Whether conditions of the edge may look into a body that is described so: `application/json`
  /// without parameters, in UTF-8, UTF-16 or UTF-32 (edge contract section 6.7).
  public static func isReadableAtEdge(contentType: String?, contentEncoding: String?) -> Bool {
    guard let contentType, let contentEncoding else { return false }
    return isWord(contentType.utf8Span.span, jsonType) && isReadable(contentEncoding)
  }

  /// Whether conditions may look into a body that is described so: `application/json`, with or
  /// without parameters, in UTF-8, UTF-16 or UTF-32 (hub contract section 9.4).
  public static func isReadable(contentType: String?, contentEncoding: String?) -> Bool {
    guard let contentType, let contentEncoding else { return false }
    let text = contentType.utf8Span.span
    let space = UInt8(ascii: " ")
    var range = 0..<(text.indices.first { text[$0] == UInt8(ascii: ";") } ?? text.count)
    while let first = range.first, text[first] == space { range.removeFirst() }
    while let last = range.last, text[last] == space { range.removeLast() }
    return isWord(text.extracting(range), jsonType) && isReadable(contentEncoding)
  }

  private static let jsonType = Array("application/json".utf8)
  private static let encodings = ["utf-8", "utf-16", "utf-32"].map { Array($0.utf8) }

  private static func isReadable(_ encoding: String) -> Bool {
    encodings.contains { isWord(encoding.utf8Span.span, $0) }
  }

  /// Whether `text` is `word`, which is in lower case, whatever its own case.
  private static func isWord(_ text: Span<UInt8>, _ word: [UInt8]) -> Bool {
    guard text.count == word.count else { return false }
    for index in word.indices {
      let byte = text[index]
      guard (byte &- 0x41 < 26 ? byte | 0x20 : byte) == word[index] else { return false }
    }
    return true
  }
}
