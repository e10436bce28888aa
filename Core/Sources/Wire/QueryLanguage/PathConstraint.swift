public import JSONTree

/// Something that every row of a query's answer fulfils, in a form that an index can use.
public struct PathConstraint: Equatable, Sendable {
  /// What is known of the value at the path.
  public enum Test: Equatable, Sendable {
    /// It compares so with the constant.
    case compares(Comparison, JSONValue)
    /// It equals one of the constants.
    case isAmong([JSONValue])
    /// There is such a value.
    case isDefined
  }

  /// The path into the row, identity fields in the twin object's spelling.
  public let path: [PathStep]
  /// What the value there fulfils.
  public let test: Test

  /// Creates a constraint.
  public init(path: [PathStep], test: Test) {
    self.path = path
    self.test = test
  }
}

extension Program {
  /// The constraints that hold wherever the result is true: the parts of its outermost ANDs.
  ///
  /// The rows that fulfil them are a superset of the rows that match, so a store may use any of
  /// them and leaves the rest to `matches`.
  var constraints: [PathConstraint] {
    guard !steps.isEmpty else { return [] }
    var found: [PathConstraint] = []
    var open = [result]
    while let register = open.popLast() {
      switch steps[Int(register)] {
      case .and(let left, let right): open += [right, left]
      case .compare(let comparison, let left, let right):
        if let path = path(left), let value = constant(right) {
          found.append(PathConstraint(path: path, test: .compares(comparison, value)))
        } else if let path = path(right), let value = constant(left) {
          found.append(PathConstraint(path: path, test: .compares(comparison.exchanged, value)))
        }
      case .among(let operand, let list, isNegated: false):
        let values = lists[Int(list)].compactMap(\.json)
        if let path = path(operand) {
          found.append(PathConstraint(path: path, test: .isAmong(values)))
        }
      case .call(.isDefined, let range):
        if let first = range.first, let path = path(arguments[Int(first)]) {
          found.append(PathConstraint(path: path, test: .isDefined))
        }
      default: continue
      }
    }
    return found
  }

  private func path(_ register: Register) -> [PathStep]? {
    guard case .load(let index) = steps[Int(register)], case .row(let path) = operands[Int(index)]
    else { return nil }
    return path
  }

  /// The constant in a register; a negative number is a sign before one.
  private func constant(_ register: Register) -> JSONValue? {
    switch steps[Int(register)] {
    case .constant: return registers[Int(register)].json
    case .negate(let inner):
      guard case .constant = steps[Int(inner)] else { return nil }
      return Arithmetic.subtract(.integer(0), registers[Int(inner)]).json
    default: return nil
    }
  }
}
