import JSONTree

/// A value while a condition is evaluated.
enum Value: Equatable, Sendable {
  case undefined
  case null
  case truth(Bool)
  /// A number without fraction; two of them are compared and added exactly.
  case integer(Int64)
  /// Any other number, never NaN.
  case real(Double)
  case text(String)
  /// An array or object of a body or twin: it is there, but takes part in no operation.
  case array, object
  /// A property that is there without a value; compares as undefined (edge contract section 6.6).
  case valueless
  /// A member that an edge message's body does not have; compares as null (edge contract section
  /// 6.7).
  case missing

  /// The value of a JSON value, `undefined` for none.
  init(_ json: JSONValue?) {
    switch json {
    case nil: self = .undefined
    case .null: self = .null
    case .bool(let value): self = .truth(value)
    case .number(let number): self = number.integer.map { .integer($0) } ?? Value(number.double)
    case .string(let text): self = .text(text)
    case .array: self = .array
    case .object: self = .object
    }
  }

  /// A body's value as the edge sees it: numbers are doubles, and what is no primitive is nothing
  /// (edge contract section 6.7).
  init(edge json: JSONValue?) {
    switch json {
    case nil: self = .missing
    case .number(let number): self = Value(number.double)
    case .array, .object: self = .undefined
    default: self = Value(json)
    }
  }

  /// Whether both are the same; texts are, if they hold the same Unicode scalars.
  static func == (one: Value, other: Value) -> Bool {
    switch (one, other) {
    case (.undefined, .undefined), (.null, .null), (.array, .array), (.object, .object),
      (.valueless, .valueless), (.missing, .missing):
      true
    case (.truth(let one), .truth(let other)): one == other
    case (.integer(let one), .integer(let other)): one == other
    case (.real(let one), .real(let other)): one == other
    case (.text(let one), .text(let other)): one.ordinallyEquals(other)
    default: false
    }
  }

  /// The text, `undefined` for none.
  init(_ text: String?) { self = text.map { .text($0) } ?? .undefined }

  /// The number, `undefined` for NaN: what has no answer has no value (edge contract section 6.6).
  init(_ number: Double) { self = number.isNaN ? .undefined : .real(number) }

  /// The truth value.
  init(_ truth: Truth) {
    switch truth {
    case .true: self = .truth(true)
    case .false: self = .truth(false)
    case .undefined: self = .undefined
    }
  }

  /// The truth of this as a condition: anything but `true` and `false` is undefined.
  var truth: Truth {
    switch self {
    case .truth(true): .true
    case .truth(false): .false
    default: .undefined
    }
  }

  /// Whether there is something here.
  var isDefined: Bool { self != .undefined && self != .missing }

  /// This as a double, nil if it is no number.
  var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .real(let value): value
    default: nil
    }
  }

  /// The JSON form of a primitive, nil for the rest.
  var json: JSONValue? {
    switch self {
    case .null: .null
    case .truth(let value): .bool(value)
    case .integer(let value): .int(value)
    case .real(let value): .double(value)
    case .text(let text): .string(text)
    case .undefined, .array, .object, .valueless, .missing: nil
    }
  }
}

/// The six comparisons.
public enum Comparison: Equatable, Sendable {
  /// `=`
  case equal
  /// `!=` and `<>`
  case notEqual
  /// `<`
  case less
  /// `<=`
  case lessOrEqual
  /// `>`
  case greater
  /// `>=`
  case greaterOrEqual

  /// The comparison that says the same with its operands exchanged.
  var exchanged: Comparison {
    switch self {
    case .equal, .notEqual: self
    case .less: .greater
    case .lessOrEqual: .greaterOrEqual
    case .greater: .less
    case .greaterOrEqual: .lessOrEqual
    }
  }

  /// The answer for two values of one type: primitives compare, everything else is undefined, and
  /// equality with null tests for null (hub contract section 7.7).
  func callAsFunction(_ left: Value, _ right: Value) -> Truth {
    switch (left, right) {
    case (.undefined, _), (_, .undefined): return .undefined
    case (.null, .null): return answer(isEqual: true)
    case (.null, _), (_, .null): return answer(isEqual: false)
    case (.truth(let one), .truth(let other)):
      return answer(one == other, !one && other)
    case (.integer(let one), .integer(let other)): return answer(one == other, one < other)
    case (.text(let one), .text(let other)):
      // Ordinal: by Unicode scalars, not by any language's alphabet.
      let isEqual = one.ordinallyEquals(other)
      let asksOrder = !isEqual && self != .equal && self != .notEqual
      return answer(isEqual, asksOrder && one.ordinallyPrecedes(other))
    default:
      guard let one = left.double, let other = right.double else { return .undefined }
      return answer(one == other, one < other)
    }
  }

  func answer(_ isEqual: Bool, _ isLess: Bool) -> Truth {
    let holds =
      switch self {
      case .equal: isEqual
      case .notEqual: !isEqual
      case .less: isLess
      case .lessOrEqual: isLess || isEqual
      case .greater: !isLess && !isEqual
      case .greaterOrEqual: !isLess
      }
    return holds ? .true : .false
  }

  /// The answer where there is no order.
  private func answer(isEqual: Bool) -> Truth {
    switch self {
    case .equal: isEqual ? .true : .false
    case .notEqual: isEqual ? .false : .true
    default: .undefined
    }
  }
}

/// The arithmetic operators.
enum Arithmetic: Equatable, Sendable {
  case add, subtract, multiply, divide, remainder

  /// The result: exact for integers while it fits, else a double; undefined for other types and
  /// where there is no number (0/0, x%0).
  func callAsFunction(_ left: Value, _ right: Value) -> Value {
    if case .integer(let one) = left, case .integer(let other) = right,
      let exact = exact(one, other)
    {
      return .integer(exact)
    }
    guard let one = left.double, let other = right.double else { return .undefined }
    switch self {
    case .add: return Value(one + other)
    case .subtract: return Value(one - other)
    case .multiply: return Value(one * other)
    case .divide: return Value(one / other)
    case .remainder: return Value(one.truncatingRemainder(dividingBy: other))
    }
  }

  private func exact(_ one: Int64, _ other: Int64) -> Int64? {
    let (result, overflow) =
      switch self {
      case .add: one.addingReportingOverflow(other)
      case .subtract: one.subtractingReportingOverflow(other)
      case .multiply: one.multipliedReportingOverflow(by: other)
      case .divide: (0, true)
      case .remainder: one.remainderReportingOverflow(dividingBy: other)
      }
    return overflow ? nil : result
  }
}
