import JSONTree

/// A compiled routing condition (hub contract section 9.4).
///
/// Compile once, when the route is saved; evaluating parses nothing.
public struct Condition: Sendable {
  private let program: Program
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

  /// Compiles `text`; nothing but blanks and comments means `true`.
  ///
  /// - Parameters:
  ///   - text: at most 8192 characters.
  ///   - dialect: `routing`, or `lenientRouting`. A condition in `twinQuery` has no row to ask, so
  ///     its paths are undefined.
  /// - Throws: the first rule that the text breaks, with its place.
  public init(_ text: String, dialect: Dialect = .routing) throws(QueryFault) {
    var parser = try ExpressionParser(text, dialect: dialect)
    if parser.token.kind == .end {
      program = Program()
      (needsBody, twinPaths, needsTwinChange, isAlwaysTrue) = (false, [], false, true)
      return
    }
    let root = try parser.expression()
    guard parser.token.kind == .end else { throw parser.fault(.expected(.operatorOrEnd)) }
    program = parser.builder.finish(root)
    var asksBody = false
    var twinPaths: [[PathStep]] = []
    var asksChange = false
    for operand in program.operands {
      switch operand {
      case .body: asksBody = true
      case .twin(let path): twinPaths.append(path)
      case .twinChange: asksChange = true
      case .row, .application, .applicationOrSystem, .system: continue
      }
    }
    needsBody = asksBody || asksChange
    self.twinPaths = twinPaths
    needsTwinChange = asksChange
    if program.steps.count == 1, case .constant(.truth(true)) = program.steps[0] {
      isAlwaysTrue = true
    } else {
      isAlwaysTrue = false
    }
  }

  /// The condition's truth for `message`.
  ///
  /// Text, a number or nothing as the whole condition is undefined.
  public func evaluate<Message: MessageFields & ~Copyable & ~Escapable>(
    _ message: borrowing Message
  ) -> Truth {
    if isAlwaysTrue { return .true }
    var machine = Machine(program)
    var body = Asked.notYet
    var twin = Asked.notYet
    while let index = machine.run(program) {
      switch program.operands[index] {
      case .row: machine.supply(.undefined)
      case .application(let name): machine.supply(Value(message.applicationProperty(name)))
      case .system(let name): machine.supply(Value(message.systemProperty(name)))
      case .applicationOrSystem(let name):
        machine.supply(
          Value(message.applicationProperty("$" + name) ?? message.systemProperty(name))
        )
      case .body(let path):
        if case .notYet = body { body = .answer(Self.readableBody(message)) }
        machine.supply(Value(body.value?.value(at: path)))
      case .twin(let path):
        if case .notYet = twin { twin = .answer(message.twin()) }
        machine.supply(Value(twin.value?.value(at: path)))
      case .twinChange(let path):
        if case .notYet = body { body = .answer(Self.readableBody(message)) }
        machine.supply(.truth(body.value?.value(at: path) != nil))
      }
    }
    return machine.result(program).truth
  }

  /// A question that is asked once.
  private enum Asked {
    case notYet
    case answer(JSONValue?)

    var value: JSONValue? { if case .answer(let value) = self { value } else { nil } }
  }

  private static func readableBody<Message: MessageFields & ~Copyable & ~Escapable>(
    _ message: borrowing Message
  ) -> JSONValue? {
    guard
      isReadable(
        contentType: message.systemProperty("contentType"),
        contentEncoding: message.systemProperty("contentEncoding")
      )
    else { return nil }
    return message.body()
  }

  /// Whether conditions may look into a body that is described so: `application/json`, with or
  /// without parameters, in UTF-8, UTF-16 or UTF-32 (hub contract section 9.4).
  public static func isReadable(contentType: String?, contentEncoding: String?) -> Bool {
    guard let contentType, let contentEncoding else { return false }
    let mediaType = contentType.prefix { $0 != ";" }.drop { $0 == " " }
    let trimmed = String(mediaType.reversed().drop { $0 == " " }.reversed()).asciiLowercased
    guard trimmed == "application/json" else { return false }
    switch contentEncoding.asciiLowercased {
    case "utf-8", "utf-16", "utf-32": return true
    default: return false
    }
  }
}
