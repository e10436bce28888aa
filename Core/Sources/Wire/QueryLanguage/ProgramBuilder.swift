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
  /// The comparisons that only the lenient profile allows, as the other would refuse them.
  private(set) var extensions: [QueryFault] = []
  /// Every part in the order of its making, for who explains a condition; else none is kept.
  private(set) var parts: [Part]?

  init(text: [UInt8], dialect: Dialect) {
    self.text = text
    self.dialect = dialect
  }

  /// Keeps the parts from now on.
  mutating func keepParts() { parts = [] }

  private mutating func append(_ step: Program.Step) -> Program.Register {
    program.steps.append(step)
    program.registers.append(.undefined)
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
      case .undefined, .array, .object, .valueless, .missing: .undefined
      case .null: .null
      case .truth: .truth
      case .integer, .real: .number
      case .text: .text
      }
    let register = append(.constant)
    // All numbers are doubles at the edge (edge contract section 6.3).
    program.registers[Int(register)] =
      dialect.isEdge ? value.double.map { .real($0) } ?? value : value
    return part(register, type, token.offset, token.end)
  }

  mutating func load(_ operand: Program.Operand, from offset: Int, to end: Int) -> Part {
    let type: StaticType =
      switch operand {
      case .application, .applicationOrSystem, .system: .property
      case .row, .body, .applicationOrBody, .twin: .dynamic
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
    case .undefined where dialect.isEdge, .number, .text, .property:
      throw QueryFault(.operandType(operand.type), at: token, in: text)
    case .truth, .null, .undefined, .dynamic:
      let step = dialect.isEdge ? Program.Step.notWithNull : Program.Step.not
      return part(append(step(operand.register)), .truth, token.offset, operand.end)
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
      let isSkipped = left.type == .undefined && !dialect.isEdge
      guard Self.comparable(left.type, right.type) || isSkipped else {
        throw QueryFault(.operandTypes(left.type, right.type), at: token, in: text)
      }
      type = coalesced(left.type, right.type)
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
      switch (shortcut == .isFalse, dialect.isEdge) {
      case (true, false): step = .and(left.register, right.register)
      case (false, false): step = .or(left.register, right.register)
      case (true, true): step = .andWithNull(left.register, right.register)
      case (false, true): step = .orWithNull(left.register, right.register)
      }
    }
    let register = append(step)
    program.steps[Int(branch)] = .shortcut(shortcut, left.register, target: register)
    return part(register, type, left.offset, right.end)
  }

  /// The type of `left ?? right`.
  private func coalesced(_ left: StaticType, _ right: StaticType) -> StaticType {
    if left == right { return left }
    // At the edge a property or a text is text for what stands around; the hub has always been
    // laxer, and its saved routes have to go on compiling.
    return dialect.isEdge && left != .dynamic && right != .dynamic ? .text : .dynamic
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
    let step = dialect.isEdge ? Program.Step.compareAcrossTypes : Program.Step.compare
    let register = append(step(comparison, first.register, second.register))
    return part(register, .truth, left.offset, right.end)
  }

  /// A property beside a number or truth value: converted in the lenient profile, else refused with
  /// the words that mend it.
  private mutating func converted(_ part: Part, for other: Part) throws(QueryFault) -> Part {
    guard part.type == .property, other.type == .number || other.type == .truth else {
      return part
    }
    let isNumber = other.type == .number
    let rule: QueryRule = isNumber ? .propertyComparedWithNumber : .propertyComparedWithTruth
    let fault = QueryFault(rule, offset: part.offset, length: part.end - part.offset, in: text)
    guard dialect.readsPropertiesAsCompared else { throw fault }
    extensions.append(fault)
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
        case (.text, .number): function == .asNumber || function == .asReal
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

  private mutating func part(
    _ register: Program.Register,
    _ type: StaticType,
    _ offset: Int,
    _ end: Int
  ) -> Part {
    let part = Part(register: register, type: type, offset: offset, end: end)
    parts?.append(part)
    return part
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
