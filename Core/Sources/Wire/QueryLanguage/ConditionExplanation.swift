public import JSONTree

/// Why a condition came to what it came to for one message: the value of each of its parts.
///
/// For people and tools that try routes; who routes messages evaluates the `Condition`.
public struct ConditionExplanation: Sendable {
  /// A part of the condition: an operand, an operation or the whole.
  public struct Part: Equatable, Sendable {
    /// What a part came to.
    public enum Outcome: Equatable, Sendable {
      /// A text, a number, a truth value or null.
      case value(JSONValue)
      /// There is nothing, or nothing that an operation takes.
      case undefined
      /// Nobody asked: the left side had settled it.
      case notAsked
    }

    /// The part as written.
    public let text: String
    /// How many parts are around it.
    public let depth: Int
    /// What it came to.
    public let outcome: Outcome
    /// What a reader may not expect: why nothing is there, how something was read; nil for nothing.
    public let note: String?
  }

  /// What the whole came to.
  public let truth: Truth
  /// The parts, each before those that it is made of; constants are left out.
  public let parts: [Part]

  /// Evaluates `text` for `message`, part by part.
  ///
  /// - Throws: the first rule that the text breaks, with its place.
  public init<Message: MessageFields>(
    _ text: String,
    dialect: Dialect,
    message: Message
  ) throws(QueryFault) {
    let condition = try Condition(text, dialect: dialect)
    truth = condition.evaluate(message)
    var parser = try ExpressionParser(text, dialect: dialect)
    guard parser.token.kind != .end else {
      parts = []
      return
    }
    parser.builder.keepParts()
    let program = parser.builder.finish(try parser.expression())
    var machine = Machine(program)
    var inquiry = MessageInquiry(dialect)
    while let index = machine.run() {
      machine.supply(inquiry.answer(program.operands[index], message))
    }
    let values = machine.values
    let bytes = Array(text.utf8)
    let made = (parser.builder.parts ?? []).filter { part in
      program.steps[Int(part.register)] != .constant
    }
    // What is around comes first; of two with the same text the later one is around the other.
    let ordered = made.enumerated().sorted { one, other in
      if one.element.offset != other.element.offset {
        return one.element.offset < other.element.offset
      }
      return one.element.end == other.element.end
        ? one.offset > other.offset : one.element.end > other.element.end
    }.map(\.element)
    var around: [Int] = []
    parts = ordered.map { part in
      while let end = around.last, end <= part.offset { around.removeLast() }
      defer { around.append(part.end) }
      let value = values[Int(part.register)]
      return Part(
        text: String(decoding: bytes[part.offset..<part.end], as: UTF8.self),
        depth: around.count,
        outcome: value.map(Part.Outcome.init) ?? .notAsked,
        note: value.flatMap { Self.note(program.steps[Int(part.register)], $0, program, message) }
      )
    }
  }

  private static func note<Message: MessageFields>(
    _ step: Program.Step,
    _ value: Value,
    _ program: Program,
    _ message: Message
  ) -> String? {
    switch step {
    case .load(let operand): note(program.operands[Int(operand)], value, message)
    case .asNumber: value == .undefined ? "it is read as a number, and is none" : "read as a number"
    case .asTruth:
      value == .undefined ? "it is read as true or false, and is neither" : "read as true or false"
    default: nil
    }
  }

  private static func note<Message: MessageFields>(
    _ operand: Program.Operand,
    _ value: Value,
    _ message: Message
  ) -> String? {
    if value == .valueless { return "the message has the property without a value" }
    switch operand {
    case .application(let name):
      return value == .undefined ? "the message has no property \(name)" : nil
    case .applicationOrSystem(_, let name), .system(let name):
      return value == .undefined ? "the message has no system property \(name)" : nil
    case .body, .applicationOrBody:
      if value == .missing { return "the body has no such member, which compares as null" }
      return value == .undefined ? noBody(message) : nil
    case .row, .twin, .twinChange: return nil
    }
  }

  /// Why a path of the body leads to nothing.
  private static func noBody<Message: MessageFields>(_ message: Message) -> String {
    let type = message.systemProperty("contenttype")
    let encoding = message.systemProperty("contentencoding")
    guard Condition.isReadableAtEdge(contentType: type, contentEncoding: encoding) else {
      return "no body is asked: it takes the content type application/json and the encoding utf-8, "
        + "utf-16 or utf-32; the message has \(type ?? "none") and \(encoding ?? "none")"
    }
    guard message.body()?.objectValue != nil else { return "the body is no JSON object" }
    return "an object or array is there, which nothing can be compared with"
  }
}

extension ConditionExplanation.Part.Outcome {
  /// What a value is to the operations around it.
  fileprivate init(_ value: Value) {
    switch value {
    case .missing: self = .value(.null)
    // As a person writes it: all numbers of the edge are doubles.
    case .real(let number) where Int64(exactly: number) != nil:
      self = .value(.int(Int64(exactly: number) ?? 0))
    default: self = value.json.map { .value($0) } ?? .undefined
    }
  }
}
