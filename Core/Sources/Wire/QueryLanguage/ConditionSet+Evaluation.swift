internal import ByteIO

extension ConditionSet {
  /// Tries one message after the other.
  ///
  /// ```
  /// evaluation.restart()
  /// if evaluation.evaluate(0, message) == .true { … }
  /// ```
  public struct Evaluation: Sendable {
    private let set: ConditionSet
    private var properties: PropertyTable
    /// What is known of the predicates and of the decisions, nil for what was not asked yet.
    private var outcomes: [Outcome?]
    private var decided: [Outcome?]
    private var registers: [Outcome]
    private var machines: [Machine]
    /// What operands that are no properties have answered.
    private var answers: [Value?]
    private var inquiry: MessageInquiry

    init(_ set: ConditionSet) {
      self.set = set
      properties = set.properties
      outcomes = Array(repeating: nil, count: set.predicates.count)
      decided = Array(repeating: nil, count: set.decisions.count)
      registers = Array(repeating: .undefined, count: set.decisions.map(\.count).max() ?? 0)
      machines = set.programs.map { Machine($0) }
      answers = Array(repeating: nil, count: set.operands.count)
      inquiry = MessageInquiry(set.dialect)
    }

    /// Forgets what the last message has answered; another may be tried then.
    public mutating func restart() {
      for index in outcomes.indices { outcomes[index] = nil }
      for index in decided.indices { decided[index] = nil }
      // A text of a large body is not held longer than the message.
      for index in answers.indices where answers[index] != nil { answers[index] = nil }
      properties.restart()
      inquiry.restart()
    }

    /// The truth of condition number `index` for `message`, the same one since `restart`.
    public mutating func evaluate<Message: MessageFields & ~Copyable & ~Escapable>(
      _ index: Int,
      _ message: borrowing Message
    ) -> Truth {
      let number = set.numbers[index]
      if number < 0 { return .true }
      if let known = decided[number] { return known.truth }
      let outcome = decide(set.decisions[number], message)
      decided[number] = outcome
      return outcome.truth
    }

    @inline(__always)
    private mutating func decide<Message: MessageFields & ~Copyable & ~Escapable>(
      _ steps: Range<Int>,
      _ message: borrowing Message
    ) -> Outcome {
      // Most conditions are one comparison.
      if steps.count == 1, case .predicate(let number) = set.steps[steps.lowerBound] {
        if let known = outcomes[number] { return known }
        let outcome = test(set.predicates[number], message)
        outcomes[number] = outcome
        return outcome
      }
      var next = 0
      while next < steps.count {
        switch set.steps[steps.lowerBound + next] {
        case .predicate(let number):
          let outcome = outcomes[number] ?? test(set.predicates[number], message)
          outcomes[number] = outcome
          registers[next] = outcome
        case .not(let operand): registers[next] = NullLogic.not(registers[Int(operand)])
        case .and(let left, let right):
          registers[next] = NullLogic.and(registers[Int(left)], registers[Int(right)])
        case .or(let left, let right):
          registers[next] = NullLogic.or(registers[Int(left)], registers[Int(right)])
        case .skip(let outcome, let left, let target):
          if registers[Int(left)] == outcome {
            next = Int(target)
            registers[next] = outcome
          }
        }
        next += 1
      }
      return registers[steps.count - 1]
    }

    private mutating func test<Message: MessageFields & ~Copyable & ~Escapable>(
      _ predicate: Predicate,
      _ message: borrowing Message
    ) -> Outcome {
      guard predicate.kind != .program else { return run(predicate.operand, message) }
      let slot = slot(of: predicate.operand, message)
      let state = properties.slots[slot].state
      switch predicate.kind {
      case .isDefined: return Outcome(state != .absent)
      case .isNull: return Outcome(state == .valueless)
      default: break
      }
      guard state == .text else { return .undefined }
      let (start, end) = (properties.slots[slot].start, properties.slots[slot].end)
      switch predicate.kind {
      case .number(let comparison):
        guard let number = properties.number(at: slot) else { return .undefined }
        return Outcome(comparison.answer(number == predicate.number, number < predicate.number))
      case .truth(let comparison):
        // Longer than any of the two words; then no text is made.
        guard end - start <= 5,
          case .truth(let truth) = Function.truth(from: .text(properties.string(at: slot)))
        else { return .undefined }
        let other = predicate.number == 1
        return Outcome(comparison.answer(truth == other, !truth && other))
      case .text(let comparison):
        let text = properties.text.span.extracting(start..<end)
        let literal = set.literals.span.extracting(set.literalRanges[predicate.literal])
        let isEqual = text.elementsEqual(literal)
        let asksOrder = !isEqual && comparison != .equal && comparison != .notEqual
        return Outcome(comparison.answer(isEqual, asksOrder && text.precedesInUTF16(literal)))
      default:
        let text = properties.text.span.extracting(start..<end)
        let literal = set.literals.span.extracting(set.literalRanges[predicate.literal])
        guard text.count >= literal.count else { return .false }
        let part =
          predicate.kind == .startsWith
          ? text.extracting(first: literal.count) : text.extracting(last: literal.count)
        return Outcome(part.elementsEqual(literal))
      }
    }

    /// The slot that answers an operand which is a property, once it is asked.
    @inline(__always)
    private mutating func slot<Message: MessageFields & ~Copyable & ~Escapable>(
      of operand: Int,
      _ message: borrowing Message
    ) -> Int {
      let source = set.sources[operand]
      if source.application >= 0 {
        askApplication(source.application, message)
        if source.system < 0 || properties.slots[source.application].state != .absent {
          return source.application
        }
      }
      if properties.slots[source.system].state == .unasked {
        let name = properties.name(source.system)
        properties.set(source.system, to: message.systemProperty(name))
      }
      return source.system
    }

    @inline(__always)
    private mutating func askApplication<Message: MessageFields & ~Copyable & ~Escapable>(
      _ slot: Int,
      _ message: borrowing Message
    ) {
      guard properties.slots[slot].state == .unasked else { return }
      if !properties.isComplete, message.offerProperties(to: &properties) {
        properties.isComplete = true
        if properties.slots[slot].state != .unasked { return }
      }
      if properties.isComplete {
        properties.set(slot, to: nil as String?)
        return
      }
      let name = properties.name(slot)
      let text = message.applicationProperty(name)
      if text == nil, set.dialect.isEdge, message.hasValuelessProperty(name) {
        properties.set(slot, to: nil as Span<UInt8>?)
      } else {
        properties.set(slot, to: text)
      }
    }

    private mutating func run<Message: MessageFields & ~Copyable & ~Escapable>(
      _ program: Int,
      _ message: borrowing Message
    ) -> Outcome {
      machines[program].restart()
      while let operand = machines[program].run() {
        machines[program].supply(answer(operand, message))
      }
      let result = machines[program].result
      return set.dialect.isEdge ? Outcome(result) : Outcome(result.truth)
    }

    private mutating func answer<Message: MessageFields & ~Copyable & ~Escapable>(
      _ operand: Int,
      _ message: borrowing Message
    ) -> Value {
      if let known = answers[operand] { return known }
      let value: Value
      switch set.operands[operand] {
      case .application, .system, .applicationOrSystem:
        let slot = slot(of: operand, message)
        value = self.value(at: slot)
      case .applicationOrBody(_, let path):
        let slot = set.sources[operand].application
        askApplication(slot, message)
        value =
          properties.slots[slot].state == .absent
          ? inquiry.answer(.body(path), message) : self.value(at: slot)
      case .row, .body, .twin, .twinChange:
        value = inquiry.answer(set.operands[operand], message)
      }
      answers[operand] = value
      return value
    }

    private func value(at slot: Int) -> Value {
      switch properties.slots[slot].state {
      case .text: .text(properties.string(at: slot))
      case .valueless: .valueless
      case .absent, .unasked: .undefined
      }
    }
  }
}
