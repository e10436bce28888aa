/// Which of the hub's languages a text is written in.
///
/// They share lexer, expression parser and evaluator; what differs is what a bare name means, which
/// characters it may hold, and what missing values mean.
public struct Dialect: Equatable, Sendable {
  enum Grammar { case twinQuery, routing, edgeRouting }

  /// How close edge routes keep to the original language.
  public enum EdgeProfile: String, Equatable, Sendable, CaseIterable {
    /// The original language: properties are text, and are compared with text only.
    case contract
    /// A property beside a number or truth value is read as one (edge contract section 16, EXT 1
    /// and 2).
    case lenient
  }

  let grammar: Grammar
  /// Whether properties, which are text, are read as what they are compared with: a number by
  /// `as_number`, a truth value ignoring case (edge contract section 16, EXT 1 and 2).
  let readsPropertiesAsCompared: Bool

  /// Twin queries (hub contract section 7.7): names are paths into the row.
  public static let twinQuery = Dialect(grammar: .twinQuery, readsPropertiesAsCompared: false)

  /// Routing conditions of the hub (hub contract section 9.4): names are application properties.
  public static let routing = Dialect(grammar: .routing, readsPropertiesAsCompared: false)

  /// Routes and conditions of an edge (edge contract section 6): as `routing`, but all numbers are
  /// doubles, names ignore case, a missing body member compares as null, and values of different
  /// types have an order.
  public static func edgeRouting(_ profile: EdgeProfile) -> Dialect {
    Dialect(grammar: .edgeRouting, readsPropertiesAsCompared: profile == .lenient)
  }

  var isTwinQuery: Bool { grammar == .twinQuery }
  var isEdge: Bool { grammar == .edgeRouting }
}

/// What a query may cost before a row is seen.
enum QueryLimits {
  /// Characters of a text (hub contract section 10).
  static let characters = 8192
  /// Parentheses, calls and signs around an expression; it bounds the parser's stack.
  static let depth = 64
  /// Constants in a list, arguments of a call, items of a selection.
  static let items = 1000
  /// Bytes of a text that an evaluation may put together; what would be longer is undefined.
  ///
  /// The size of the largest message. Without it a row of `||` on a large body member costs
  /// gigabytes.
  static let joinedBytes = 262_144
}
