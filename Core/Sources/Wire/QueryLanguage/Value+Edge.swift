import JSONTree

// What differs at the edge: comparisons across types, and a logic that knows null.

extension Comparison {
  /// The answer for two values of any types (edge contract sections 6.6 and 6.7).
  ///
  /// Null comes before truth values, numbers and text, in this order, and nothing is converted.
  /// Text is ordered by UTF-16 code units. With undefined the answer is undefined.
  func acrossTypes(_ left: Value, _ right: Value) -> Truth {
    switch (left, right) {
    case (.text(let one), .text(let other)):
      let isEqual = one.ordinallyEquals(other)
      let asksOrder = !isEqual && self != .equal && self != .notEqual
      return answer(isEqual, asksOrder && one.utf8Span.span.precedesInUTF16(other.utf8Span.span))
    case (.truth(let one), .truth(let other)): return answer(one == other, !one && other)
    default: break
    }
    if let one = left.double, let other = right.double { return answer(one == other, one < other) }
    guard let one = left.rank, let other = right.rank else { return .undefined }
    return answer(one == other, one < other)
  }
}

extension Value {
  /// The place of this value's type in the order of types, nil for what takes no part.
  fileprivate var rank: Int? {
    switch self {
    case .null, .missing: 0
    case .truth: 1
    case .integer, .real: 2
    case .text: 3
    case .undefined, .array, .object, .valueless: nil
    }
  }

  /// The truth of this as a whole condition of the edge, where null does not hold.
  var edgeTruth: Truth { Outcome(self).truth }

  /// What a logical operator has come to.
  init(_ outcome: Outcome) {
    switch outcome {
    case .true: self = .truth(true)
    case .false: self = .truth(false)
    case .null: self = .null
    case .undefined: self = .undefined
    }
  }
}

/// What the edge's logic works on: a truth value, null or undefined (edge contract section 6.6).
enum Outcome: UInt8, Sendable {
  case `true`, `false`, undefined, null

  /// A value as the operand of a logical operator: what is no truth value is undefined.
  init(_ value: Value) {
    switch value {
    case .truth(true): self = .true
    case .truth(false): self = .false
    case .null: self = .null
    default: self = .undefined
    }
  }

  init(_ truth: Truth) {
    switch truth {
    case .true: self = .true
    case .false: self = .false
    case .undefined: self = .undefined
    }
  }

  init(_ holds: Bool) { self = holds ? .true : .false }

  /// The truth of this as a whole condition, where null does not hold.
  var truth: Truth {
    switch self {
    case .true: .true
    case .false, .null: .false
    case .undefined: .undefined
    }
  }
}

/// NOT, AND and OR over truth values, null and undefined (edge contract section 6.6).
enum NullLogic {
  static func not(_ operand: Outcome) -> Outcome {
    switch operand {
    case .true: .false
    case .false, .null: .true
    case .undefined: .undefined
    }
  }

  static func and(_ left: Outcome, _ right: Outcome) -> Outcome {
    switch (left, right) {
    case (.null, _), (_, .null): .null
    case (.false, _), (_, .false): .false
    case (.true, .true): .true
    default: .undefined
    }
  }

  static func or(_ left: Outcome, _ right: Outcome) -> Outcome {
    switch (left, right) {
    case (.null, let other), (let other, .null): other
    case (.true, _), (_, .true): .true
    case (.false, .false): .false
    default: .undefined
    }
  }
}

extension Span where Element == UInt8 {
  /// Whether this text comes before `other` by UTF-16 code units.
  ///
  /// That is the order of the UTF-8 bytes but for characters beyond U+FFFF, whose surrogates come
  /// before U+E000.
  func precedesInUTF16(_ other: Span<UInt8>) -> Bool {
    var index = 0
    while index < count, index < other.count {
      let (one, two) = (self[index], other[index])
      if one != two {
        // Lead bytes: 0xEE and 0xEF are U+E000 to U+FFFF, 0xF0 and above what has surrogates.
        if one >= 0xEE, two >= 0xEE, (one >= 0xF0) != (two >= 0xF0) { return one >= 0xF0 }
        return one < two
      }
      index += 1
    }
    return count < other.count
  }
}
