import JSONTree

/// Takes conditions apart into what they share.
struct ConditionSetBuilder {
  private(set) var operands: [Program.Operand] = []
  /// For each operand, where its property is in the table.
  private(set) var sources: [PropertySource] = []
  private(set) var applicationNames: [String] = []
  private(set) var systemNames: [String] = []
  private(set) var predicates: [Predicate] = []
  private(set) var literals: [[UInt8]] = []
  private(set) var programs: [Program] = []
  private(set) var decisions: [[DecisionStep]] = []

  /// The number of the decision that `condition` comes to.
  mutating func add(_ condition: Condition) -> Int {
    let decision = decision(condition)
    return Self.number(of: decision, in: &decisions)
  }

  private static func number<Element: Equatable>(
    of element: Element,
    in known: inout [Element]
  ) -> Int {
    if let number = known.firstIndex(of: element) { return number }
    known.append(element)
    return known.count - 1
  }

  private mutating func decision(_ condition: Condition) -> [DecisionStep] {
    let program = condition.program
    let numbers = program.operands.map { number(of: $0) }
    let starts = program.starts
    let root = Int(program.result)
    // From the result downwards: what only joins others, and what these are.
    var isLogic = Array(repeating: false, count: program.steps.count)
    var isWanted = isLogic
    isWanted[root] = true
    for index in program.steps.indices.reversed() where isWanted[index] && condition.dialect.isEdge
    {
      switch program.steps[index] {
      case .notWithNull(let operand):
        isLogic[index] = true
        isWanted[Int(operand)] = true
      case .andWithNull(let left, let right), .orWithNull(let left, let right):
        isLogic[index] = true
        isWanted[Int(left)] = true
        isWanted[Int(right)] = true
      default: continue
      }
    }
    var places = Array(repeating: Program.Register(0), count: program.steps.count)
    var steps: [DecisionStep] = []
    for (index, step) in program.steps.enumerated() {
      let place = Program.Register(steps.count)
      switch step {
      case .notWithNull(let operand) where isLogic[index]:
        steps.append(.not(places[Int(operand)]))
      case .andWithNull(let left, let right) where isLogic[index]:
        steps.append(.and(places[Int(left)], places[Int(right)]))
      case .orWithNull(let left, let right) where isLogic[index]:
        steps.append(.or(places[Int(left)], places[Int(right)]))
      case .shortcut(let shortcut, let left, let target) where isLogic[Int(target)]:
        // Its target's place is known only behind the right side.
        let outcome = shortcut == .isFalse ? Outcome.false : .true
        steps.append(.skip(if: outcome, places[Int(left)], target: target))
      case _ where isWanted[index]:
        let part = Part(
          program: program,
          register: Program.Register(index),
          start: starts[index],
          operandNumbers: numbers
        )
        let predicate = predicate(part)
        steps.append(.predicate(Self.number(of: predicate, in: &predicates)))
      default: continue
      }
      places[index] = place
    }
    return steps.map { step in
      guard case .skip(let outcome, let left, let target) = step else { return step }
      return .skip(if: outcome, left, target: places[Int(target)])
    }
  }

  private mutating func number(of operand: Program.Operand) -> Int {
    let number = Self.number(of: operand, in: &operands)
    guard number == sources.count else { return number }
    var source = PropertySource()
    switch operand {
    case .application(let name), .applicationOrBody(let name, _):
      source.application = place(of: name, in: \.applicationNames)
    case .system(let name): source.system = place(of: name, in: \.systemNames)
    case .applicationOrSystem(let name, let system):
      source.application = place(of: name, in: \.applicationNames)
      source.system = place(of: system, in: \.systemNames)
    case .row, .body, .twin, .twinChange: break
    }
    sources.append(source)
    return number
  }

  private mutating func place(
    of name: String,
    in names: WritableKeyPath<Self, [String]>
  ) -> Int {
    if let place = self[keyPath: names].firstIndex(where: { $0.ordinallyEquals(name) }) {
      return place
    }
    self[keyPath: names].append(name)
    return self[keyPath: names].count - 1
  }

  /// A part of a condition that becomes a predicate.
  private struct Part {
    let program: Program
    let register: Program.Register
    let start: Program.Register
    let operandNumbers: [Int]

    /// The operand that a register holds, if that is a property.
    func property(_ register: Program.Register) -> Int? {
      guard case .load(let operand) = program.steps[Int(register)] else { return nil }
      switch program.operands[Int(operand)] {
      case .application, .applicationOrSystem, .system: return operandNumbers[Int(operand)]
      case .row, .body, .applicationOrBody, .twin, .twinChange: return nil
      }
    }

    /// The property that a register holds as a number.
    func number(_ register: Program.Register) -> Int? {
      switch program.steps[Int(register)] {
      case .asNumber(let operand): property(operand)
      case .call(.asReal, let range): range.first.flatMap { property(argument($0)) }
      default: nil
      }
    }

    func argument(_ index: Int32) -> Program.Register { program.arguments[Int(index)] }

    /// The literal that a register holds; a negative number is a sign before one.
    func literal(_ register: Program.Register) -> Value? {
      switch program.steps[Int(register)] {
      case .constant: return program.registers[Int(register)]
      case .negate(let operand):
        guard case .constant = program.steps[Int(operand)] else { return nil }
        return Arithmetic.subtract(.integer(0), program.registers[Int(operand)])
      default: return nil
      }
    }
  }

  private mutating func predicate(_ part: Part) -> Predicate {
    switch part.program.steps[Int(part.register)] {
    case .compareAcrossTypes(let comparison, let left, let right):
      if let literal = part.literal(right),
        let predicate = compare(part, left, comparison, literal)
      {
        return predicate
      }
      if let literal = part.literal(left),
        let predicate = compare(part, right, comparison.exchanged, literal)
      {
        return predicate
      }
    case .call(let function, let range):
      guard let first = range.first, let property = part.property(part.argument(first)) else {
        break
      }
      switch function {
      case .isDefined: return Predicate(kind: .isDefined, operand: property)
      case .isNull: return Predicate(kind: .isNull, operand: property)
      case .startsWith, .endsWith:
        guard case .text(let text)? = part.literal(part.argument(first + 1)) else { break }
        return Predicate(
          kind: function == .startsWith ? .startsWith : .endsWith,
          operand: property,
          literal: Self.number(of: Array(text.utf8), in: &literals)
        )
      default: break
      }
    default: break
    }
    let program = part.program.part(
      part.register,
      from: part.start,
      operandNumbers: part.operandNumbers
    )
    return Predicate(kind: .program, operand: Self.number(of: program, in: &programs))
  }

  private mutating func compare(
    _ part: Part,
    _ register: Program.Register,
    _ comparison: Comparison,
    _ literal: Value
  ) -> Predicate? {
    switch literal {
    case .text(let text):
      guard let property = part.property(register) else { return nil }
      return Predicate(
        kind: .text(comparison),
        operand: property,
        literal: Self.number(of: Array(text.utf8), in: &literals)
      )
    case .real(let number):
      guard let property = part.number(register) else { return nil }
      return Predicate(kind: .number(comparison), operand: property, number: number)
    case .truth(let truth):
      guard case .asTruth(let operand) = part.program.steps[Int(register)],
        let property = part.property(operand)
      else { return nil }
      return Predicate(kind: .truth(comparison), operand: property, number: truth ? 1 : 0)
    default: return nil
    }
  }
}
