/// Conditions that are tried on the same messages.
///
/// What several of them ask is asked once per message, and what an evaluation needs is kept from one
/// message to the next: trying a message allocates nothing of its own.
public struct ConditionSet: Sendable {
  /// The conditions, by their numbers.
  public let conditions: [Condition]
  /// Whether some condition asks for the body.
  public let needsBody: Bool
  private let dialect: Dialect
  /// The distinct operands of all conditions.
  private let operands: [Program.Operand]
  /// For each condition, where its own operands are among `operands`.
  private let places: [[Int]]

  /// Joins `conditions`, which are all of `dialect`.
  public init(_ conditions: [Condition], dialect: Dialect) {
    var operands: [Program.Operand] = []
    places = conditions.map { condition in
      condition.program.operands.map { operand in
        if let place = operands.firstIndex(of: operand) { return place }
        operands.append(operand)
        return operands.count - 1
      }
    }
    self.operands = operands
    self.conditions = conditions
    self.dialect = dialect
    needsBody = conditions.contains(where: \.needsBody)
  }

  /// The room that evaluating takes, for one thread.
  public func makeEvaluation() -> Evaluation { Evaluation(self) }

  /// Tries one message after the other.
  ///
  /// ```
  /// evaluation.restart()
  /// if evaluation.evaluate(0, message) == .true { … }
  /// ```
  public struct Evaluation: Sendable {
    private let set: ConditionSet
    private var machines: [Machine]
    private var answers: [Value]
    private var isAnswered: [Bool]
    private var inquiry: MessageInquiry

    fileprivate init(_ set: ConditionSet) {
      self.set = set
      machines = set.conditions.map { Machine($0.program) }
      answers = Array(repeating: .undefined, count: set.operands.count)
      isAnswered = Array(repeating: false, count: set.operands.count)
      inquiry = MessageInquiry(set.dialect)
    }

    /// Forgets what the last message has answered; another may be tried then.
    public mutating func restart() {
      for index in isAnswered.indices where isAnswered[index] {
        isAnswered[index] = false
        // A text of a large body is not held longer than the message.
        answers[index] = .undefined
      }
      inquiry.restart()
    }

    /// The truth of condition number `index` for `message`, the same one since `restart`.
    public mutating func evaluate<Message: MessageFields & ~Copyable & ~Escapable>(
      _ index: Int,
      _ message: borrowing Message
    ) -> Truth {
      if set.conditions[index].isAlwaysTrue { return .true }
      machines[index].restart()
      while let operand = machines[index].run() {
        let place = set.places[index][operand]
        if !isAnswered[place] {
          answers[place] = inquiry.answer(set.operands[place], message)
          isAnswered[place] = true
        }
        machines[index].supply(answers[place])
      }
      return set.conditions[index].truth(machines[index])
    }
  }
}
