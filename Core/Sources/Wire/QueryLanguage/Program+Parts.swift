import JSONTree

extension Program.Operand {
  /// Whether both ask the same; names are compared by Unicode scalars.
  static func == (one: Self, other: Self) -> Bool {
    switch (one, other) {
    case (.row(let one), .row(let other)), (.body(let one), .body(let other)),
      (.twin(let one), .twin(let other)), (.twinChange(let one), .twinChange(let other)):
      isSame(one, other)
    case (.application(let one), .application(let other)), (.system(let one), .system(let other)):
      one.ordinallyEquals(other)
    case (.applicationOrSystem(let one, let system), .applicationOrSystem(let other, let its)):
      one.ordinallyEquals(other) && system.ordinallyEquals(its)
    case (.applicationOrBody(let one, let path), .applicationOrBody(let other, let its)):
      one.ordinallyEquals(other) && isSame(path, its)
    default: false
    }
  }

  private static func isSame(_ one: [PathStep], _ other: [PathStep]) -> Bool {
    one.elementsEqual(other) { step, its in
      switch (step, its) {
      case (.member(let name), .member(let other)): name.ordinallyEquals(other)
      case (.index(let index), .index(let other)): index == other
      default: false
      }
    }
  }
}

extension Program {
  /// For each register the first step that belongs to its value.
  ///
  /// A part of an expression is written in one run, operands first, so that its steps are those from
  /// there to the register's own.
  var starts: [Register] {
    var starts: [Register] = []
    for (index, step) in steps.enumerated() {
      let own = Register(index)
      var start = own
      for register in registers(of: step) { start = min(start, starts[Int(register)]) }
      starts.append(start)
    }
    return starts
  }

  /// The registers that a step reads.
  private func registers(of step: Step) -> [Register] {
    switch step {
    case .constant, .load: []
    // Belongs to the operator that it leads to, which reads the same register.
    case .shortcut: []
    case .negate(let one), .not(let one), .notWithNull(let one), .asNumber(let one),
      .asTruth(let one), .among(let one, _, _):
      [one]
    case .arithmetic(_, let one, let two), .concatenate(let one, let two),
      .compare(_, let one, let two), .compareAcrossTypes(_, let one, let two),
      .and(let one, let two), .or(let one, let two), .andWithNull(let one, let two),
      .orWithNull(let one, let two), .coalesce(let one, let two):
      [one, two]
    case .call(_, let range): range.map { arguments[Int($0)] }
    }
  }

  /// The part of the expression whose value is in `register`, beginning with step `start`, as a
  /// program of its own: it asks for operands by the numbers that `operandNumbers` gives them.
  func part(_ register: Register, from start: Register, operandNumbers: [Int]) -> Program {
    var part = Program()
    for index in Int(start)...Int(register) {
      part.registers.append(registers[index])
      part.steps.append(moved(steps[index], by: start, operandNumbers, &part))
    }
    part.result = register - start
    return part
  }

  private func moved(
    _ step: Step,
    by start: Register,
    _ operandNumbers: [Int],
    _ part: inout Program
  ) -> Step {
    switch step {
    case .constant: return .constant
    case .load(let operand): return .load(Int32(operandNumbers[Int(operand)]))
    case .negate(let one): return .negate(one - start)
    case .not(let one): return .not(one - start)
    case .arithmetic(let operation, let one, let two):
      return .arithmetic(operation, one - start, two - start)
    case .concatenate(let one, let two): return .concatenate(one - start, two - start)
    case .compare(let comparison, let one, let two):
      return .compare(comparison, one - start, two - start)
    case .compareAcrossTypes(let comparison, let one, let two):
      return .compareAcrossTypes(comparison, one - start, two - start)
    case .and(let one, let two): return .and(one - start, two - start)
    case .or(let one, let two): return .or(one - start, two - start)
    case .notWithNull(let one): return .notWithNull(one - start)
    case .andWithNull(let one, let two): return .andWithNull(one - start, two - start)
    case .orWithNull(let one, let two): return .orWithNull(one - start, two - start)
    case .coalesce(let one, let two): return .coalesce(one - start, two - start)
    case .shortcut(let shortcut, let one, let target):
      return .shortcut(shortcut, one - start, target: target - start)
    case .among(let one, let list, let isNegated):
      part.lists.append(lists[Int(list)])
      return .among(one - start, list: Int32(part.lists.count - 1), isNegated: isNegated)
    case .call(let function, let range):
      let first = Int32(part.arguments.count)
      part.arguments += range.map { arguments[Int($0)] - start }
      return .call(function, arguments: first..<Int32(part.arguments.count))
    case .asNumber(let one): return .asNumber(one - start)
    case .asTruth(let one): return .asTruth(one - start)
    }
  }
}
