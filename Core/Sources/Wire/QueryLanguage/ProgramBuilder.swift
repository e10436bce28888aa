/// Writes a program step by step and checks the types on the way (edge contract section 6.5).
struct ProgramBuilder {
  /// A finished part of the expression: where its value will be, what is known of its type, and
  /// which text it came from.
  struct Part {
    let register: Program.Register
    let type: StaticType
    let offset: Int
    let end: Int
  }

  let text: [UInt8]
  let dialect: Dialect
  private(set) var program = Program()

  init(text: [UInt8], dialect: Dialect) {
    self.text = text
    self.dialect = dialect
  }

  private mutating func append(_ step: Program.Step) -> Program.Register {
    program.steps.append(step)
    return Program.Register(program.steps.count - 1)
  }

  /// The finished program, whose result is `part`.
  mutating func finish(_ part: Part) -> Program {
    program.result = part.register
    return program
  }

  mutating func constant(_ value: Value, _ token: Token) -> Part {
    let type: StaticType =
      switch value {
      case .undefined, .array, .object: .undefined
      case .null: .null
      case .truth: .truth
      case .integer, .real: .number
      case .text: .text
      }
    return part(append(.constant(value)), type, token.offset, token.end)
  }

  mutating func load(_ operand: Program.Operand, from offset: Int, to end: Int) -> Part {
    let type: StaticType =
      switch operand {
      case .application, .applicationOrSystem, .system: .property
      case .row, .body, .twin: .dynamic
      case .twinChange: .truth
      }
    let index = program.operands.firstIndex(of: operand) ?? program.operands.count
    if index == program.operands.count { program.operands.append(operand) }
    return part(append(.load(Int32(index))), type, offset, end)
  }

  mutating func negate(_ operand: Part, _ token: Token) throws(QueryFault) -> Part {
    guard operand.type == .number || operand.type == .dynamic else {
      throw QueryFault(.operandType(operand.type), at: token, in: text)
    }
    return part(append(.negate(operand.register)), .number, token.offset, operand.end)
  }

  mutating func not(_ operand: Part, _ token: Token) throws(QueryFault) -> Part {
    switch operand.type {
    case .truth, .null, .undefined, .dynamic:
      return part(append(.not(operand.register)), .truth, token.offset, operand.end)
    case .number, .text, .property:
      throw QueryFault(.operandType(operand.type), at: token, in: text)
    }
  }

  /// Notes that `left` alone may settle the operator; pass the result to `binary`.
  mutating func shortcut(_ shortcut: Program.Shortcut, _ left: Part) -> Program.Register {
    append(.shortcut(shortcut, left.register, target: 0))
  }

  mutating func logical(
    _ shortcut: Program.Shortcut,
    _ left: Part,
    _ right: Part,
    _ token: Token,
    _ branch: Program.Register
  ) throws(QueryFault) -> Part {
    let step: Program.Step
    let type: StaticType
    if shortcut == .isDefined {
      guard Self.comparable(left.type, right.type) || left.type == .undefined else {
        throw QueryFault(.operandTypes(left.type, right.type), at: token, in: text)
      }
      type = left.type == right.type ? left.type : .dynamic
      step = .coalesce(left.register, right.register)
    } else {
      for side in [left, right] {
        switch side.type {
        case .truth, .null, .undefined, .dynamic: continue
        case .number, .text, .property:
          throw QueryFault(.operandTypes(left.type, right.type), at: token, in: text)
        }
      }
      type = .truth
      step =
        shortcut == .isFalse
        ? .and(left.register, right.register) : .or(left.register, right.register)
    }
    let register = append(step)
    program.steps[Int(branch)] = .shortcut(shortcut, left.register, target: register)
    return part(register, type, left.offset, right.end)
  }

  mutating func arithmetic(
    _ operation: Arithmetic,
    _ left: Part,
    _ right: Part,
    _ token: Token
  ) throws(QueryFault) -> Part {
    for side in [left, right] where side.type != .number && side.type != .dynamic {
      throw QueryFault(.operandTypes(left.type, right.type), at: token, in: text)
    }
    let step = Program.Step.arithmetic(operation, left.register, right.register)
    return part(append(step), .number, left.offset, right.end)
  }

  mutating func concatenate(
    _ left: Part,
    _ right: Part,
    _ token: Token
  ) throws(QueryFault) -> Part {
    for side in [left, right] {
      switch side.type {
      case .text, .property, .dynamic: continue
      case .number, .truth, .null, .undefined:
        throw QueryFault(.operandTypes(left.type, right.type), at: token, in: text)
      }
    }
    return part(append(.concatenate(left.register, right.register)), .text, left.offset, right.end)
  }

  mutating func compare(
    _ comparison: Comparison,
    _ left: Part,
    _ right: Part,
    _ token: Token
  ) throws(QueryFault) -> Part {
    let first = try converted(left, for: right)
    let second = try converted(right, for: left)
    guard Self.comparable(first.type, second.type) else {
      throw QueryFault(.operandTypes(left.type, right.type), at: token, in: text)
    }
    let step = Program.Step.compare(comparison, first.register, second.register)
    return part(append(step), .truth, left.offset, right.end)
  }

  /// A property beside a number or truth value: converted in the lenient profile, else refused with
  /// the words that mend it.
  private mutating func converted(_ part: Part, for other: Part) throws(QueryFault) -> Part {
    guard part.type == .property, other.type == .number || other.type == .truth else {
      return part
    }
    let isNumber = other.type == .number
    guard dialect.readsPropertiesAsCompared else {
      let rule: QueryRule = isNumber ? .propertyComparedWithNumber : .propertyComparedWithTruth
      throw QueryFault(rule, offset: part.offset, length: part.end - part.offset, in: text)
    }
    let register = append(isNumber ? .asNumber(part.register) : .asTruth(part.register))
    return self.part(register, other.type, part.offset, part.end)
  }

  mutating func among(
    _ operand: Part,
    _ list: [Value],
    isNegated: Bool,
    to end: Int
  ) -> Part {
    program.lists.append(list)
    let index = Int32(program.lists.count - 1)
    let register = append(.among(operand.register, list: index, isNegated: isNegated))
    return part(register, .truth, operand.offset, end)
  }

  mutating func call(
    _ function: Function,
    _ arguments: [Part],
    _ name: Token,
    to end: Int
  ) throws(QueryFault) -> Part {
    let counts = function.argumentCount
    guard counts.contains(arguments.count) else {
      let rule = QueryRule.argumentCount(least: counts.lowerBound, most: counts.upperBound)
      throw QueryFault(rule, at: name, in: text)
    }
    for (index, argument) in arguments.enumerated() {
      let expected = function.argumentType(index)
      let fits =
        switch (expected, argument.type) {
        case (.dynamic, _), (_, .dynamic), (.text, .property): true
        // A number is one already.
        case (.text, .number): function == .asNumber
        default: expected == argument.type
        }
      guard fits else {
        throw QueryFault(
          .argumentType(index: index + 1, expected: expected),
          offset: argument.offset,
          length: argument.end - argument.offset,
          in: text
        )
      }
    }
    let first = Int32(program.arguments.count)
    program.arguments += arguments.map(\.register)
    let range = first..<Int32(program.arguments.count)
    let register = append(.call(function, arguments: range))
    return part(register, function.resultType, name.offset, end)
  }

  private func part(
    _ register: Program.Register,
    _ type: StaticType,
    _ offset: Int,
    _ end: Int
  ) -> Part {
    Part(register: register, type: type, offset: offset, end: end)
  }

  /// Whether values of these types may be compared: the same type, or one is dynamic and the other
  /// something that a dynamic value may be.
  private static func comparable(_ left: StaticType, _ right: StaticType) -> Bool {
    switch (left, right) {
    case (.dynamic, .undefined), (.undefined, .dynamic): false
    case (.dynamic, _), (_, .dynamic): true
    case (.text, .property), (.property, .text): true
    default: left == right
    }
  }
}
