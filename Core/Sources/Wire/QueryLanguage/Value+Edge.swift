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
      return answer(isEqual, asksOrder && one.precedesInUTF16(other))
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

  /// The operand of a logical operator: null, a truth value or undefined.
  fileprivate var logical: Value {
    switch self {
    case .null, .truth: self
    default: .undefined
    }
  }

  /// The truth of this as a whole condition of the edge, where null does not hold.
  var edgeTruth: Truth { self == .null ? .false : truth }
}

/// NOT, AND and OR over truth values, null and undefined (edge contract section 6.6).
enum NullLogic {
  static func not(_ operand: Value) -> Value {
    switch operand {
    case .truth(let value): .truth(!value)
    case .null: .truth(true)
    default: .undefined
    }
  }

  static func and(_ left: Value, _ right: Value) -> Value {
    switch (left.logical, right.logical) {
    case (.null, _), (_, .null): .null
    case (.truth(false), _), (_, .truth(false)): .truth(false)
    case (.truth(true), .truth(true)): .truth(true)
    default: .undefined
    }
  }

  static func or(_ left: Value, _ right: Value) -> Value {
    switch (left.logical, right.logical) {
    case (.null, let other), (let other, .null): other
    case (.truth(true), _), (_, .truth(true)): .truth(true)
    case (.truth(false), .truth(false)): .truth(false)
    default: .undefined
    }
  }
}

extension String {
  /// Whether this comes before `other` by UTF-16 code units.
  ///
  /// That is the order of the UTF-8 bytes but for characters beyond U+FFFF, whose surrogates come
  /// before U+E000.
  fileprivate func precedesInUTF16(_ other: String) -> Bool {
    let mine = utf8Span.span
    let theirs = other.utf8Span.span
    var index = 0
    while index < mine.count, index < theirs.count {
      let (one, two) = (mine[index], theirs[index])
      if one != two {
        // Lead bytes: 0xEE and 0xEF are U+E000 to U+FFFF, 0xF0 and above what has surrogates.
        if one >= 0xEE, two >= 0xEE, (one >= 0xF0) != (two >= 0xF0) { return one >= 0xF0 }
        return one < two
      }
      index += 1
    }
    return mine.count < theirs.count
  }
}
