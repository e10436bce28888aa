/// A compiled expression: one step after another, each writing the register with its own number.
///
/// A step only reads registers below its own, so running it is one loop without recursion,
/// whatever the text was, and releasing it is freeing four arrays.
struct Program: Equatable, Sendable {
  /// Number of a register, and of the step that writes it.
  typealias Register = Int32

  enum Step: Equatable, Sendable {
    /// Its register holds the value from the beginning.
    case constant
    /// Asks the caller for an operand.
    case load(Int32)
    case negate(Register)
    case not(Register)
    case arithmetic(Arithmetic, Register, Register)
    case concatenate(Register, Register)
    case compare(Comparison, Register, Register)
    /// The edge's comparison, in which values of different types have an order.
    case compareAcrossTypes(Comparison, Register, Register)
    case and(Register, Register)
    case or(Register, Register)
    /// The edge's logic, which knows null (edge contract section 6.6).
    case notWithNull(Register)
    case andWithNull(Register, Register)
    case orWithNull(Register, Register)
    case coalesce(Register, Register)
    /// Decides `target` from the left operand alone if that suffices, and goes on behind it.
    case shortcut(Shortcut, Register, target: Register)
    case among(Register, list: Int32, isNegated: Bool)
    case call(Function, arguments: Range<Int32>)
    /// A property read as a number or truth value, because it is compared with one (EXT 1, EXT 2).
    case asNumber(Register)
    case asTruth(Register)
  }

  /// When the left side of an operator settles it.
  enum Shortcut: Equatable, Sendable {
    case isFalse, isTrue, isDefined

    /// Whether `left` is such a left side.
    @inline(__always)
    func isSettled(by left: Value) -> Bool {
      switch self {
      case .isFalse: left == .truth(false)
      case .isTrue: left == .truth(true)
      case .isDefined: left.isDefined
      }
    }
  }

  /// What a program asks of the row or message.
  enum Operand: Equatable, Sendable {
    case row([PathStep])
    case application(String)
    /// An application property called `$name`, else the system property `name`.
    case applicationOrSystem(application: String, system: String)
    case system(String)
    case body([PathStep])
    /// An application property called `$body.path`, else what the body holds there.
    case applicationOrBody(application: String, [PathStep])
    case twin([PathStep])
    /// Whether a twin notice reports a change at the path.
    case twinChange([PathStep])
  }

  var steps: [Step] = []
  /// The registers before the first step: constants where there are some.
  var registers: [Value] = []
  var operands: [Operand] = []
  var lists: [[Value]] = []
  var arguments: [Register] = []
  /// The register that holds the result.
  var result: Register = 0
}

/// Runs a program, asking for one operand at a time.
///
/// ```
/// var machine = Machine(program)
/// while let operand = machine.run() { machine.supply(…) }
/// machine.result
/// ```
///
/// Every step writes its own register only, so constants stay where they are and a machine that
/// has run can be run again: nothing is allocated then.
struct Machine {
  private let program: Program
  private var registers: [Value]
  private var next = 0

  init(_ program: Program) {
    self.program = program
    registers = program.registers
  }

  /// Goes back to the first step.
  mutating func restart() { next = 0 }

  /// Runs until the next operand is needed and names it, or to the end.
  mutating func run() -> Int? {
    while next < program.steps.count {
      switch program.steps[next] {
      case .load(let operand): return Int(operand)
      case .shortcut(let shortcut, let register, let target):
        let value = registers[Int(register)]
        if shortcut.isSettled(by: value) {
          registers[Int(target)] = value
          next = Int(target)
        }
      case .constant: break
      case let step: registers[next] = value(step)
      }
      next += 1
    }
    return nil
  }

  /// Answers the operand that `run` has asked for.
  mutating func supply(_ value: Value) {
    registers[next] = value
    next += 1
  }

  /// The result, once `run` has answered nil.
  var result: Value {
    registers.isEmpty ? .undefined : registers[Int(program.result)]
  }

  /// The value of each step once `run` has answered nil; nil for those that a left side settled
  /// without them.
  var values: [Value?] {
    var values: [Value?] = registers
    var index = 0
    while index < program.steps.count {
      if case .shortcut(let shortcut, let register, let target) = program.steps[index],
        shortcut.isSettled(by: registers[Int(register)])
      {
        for skipped in index..<Int(target) { values[skipped] = nil }
        index = Int(target)
      }
      index += 1
    }
    return values
  }

  private func value(_ step: Program.Step) -> Value {
    switch step {
    case .negate(let operand): return Arithmetic.subtract(.integer(0), self[operand])
    case .not(let operand):
      guard case .truth(let value) = self[operand] else { return .undefined }
      return .truth(!value)
    case .arithmetic(let arithmetic, let left, let right):
      return arithmetic(self[left], self[right])
    case .concatenate(let left, let right):
      return Function.join([self[left], self[right]])
    case .compare(let comparison, let left, let right):
      return Value(comparison(self[left], self[right]))
    case .compareAcrossTypes(let comparison, let left, let right):
      return Value(comparison.acrossTypes(self[left], self[right]))
    case .and(let left, let right):
      switch (self[left].truth, self[right].truth) {
      case (.false, _), (_, .false): return .truth(false)
      case (.true, .true): return .truth(true)
      default: return .undefined
      }
    case .or(let left, let right):
      switch (self[left].truth, self[right].truth) {
      case (.true, _), (_, .true): return .truth(true)
      case (.false, .false): return .truth(false)
      default: return .undefined
      }
    case .coalesce(let left, let right):
      return self[left].isDefined ? self[left] : self[right]
    case .notWithNull(let operand): return Value(NullLogic.not(Outcome(self[operand])))
    case .andWithNull(let left, let right):
      return Value(NullLogic.and(Outcome(self[left]), Outcome(self[right])))
    case .orWithNull(let left, let right):
      return Value(NullLogic.or(Outcome(self[left]), Outcome(self[right])))
    case .among(let operand, let list, let isNegated):
      return among(self[operand], program.lists[Int(list)], isNegated)
    case .call(let function, let range):
      let values = range.map { self[program.arguments[Int($0)]] }
      return function(values[...])
    case .asNumber(let operand): return Function.real(from: self[operand])
    case .asTruth(let operand): return Function.truth(from: self[operand])
    case .constant, .load, .shortcut: return .undefined
    }
  }

  /// The list as a chain of equalities joined by OR, and NOT of that if negated.
  private func among(_ value: Value, _ list: [Value], _ isNegated: Bool) -> Value {
    var answer = Truth.false
    for constant in list {
      switch Comparison.equal(value, constant) {
      case .true: return .truth(!isNegated)
      case .undefined: answer = .undefined
      case .false: continue
      }
    }
    return answer == .undefined ? .undefined : .truth(isNegated)
  }

  private subscript(_ register: Program.Register) -> Value { registers[Int(register)] }
}
