/// Which of the hub's languages a text is written in.
///
/// They share lexer, expression parser and evaluator; what differs is what a bare name means and
/// which characters it may hold.
public struct Dialect: Equatable, Sendable {
  enum Grammar { case twinQuery, routing }

  let grammar: Grammar
  /// Whether properties, which are text, are read as what they are compared with: a number by
  /// `as_number`, a truth value ignoring case (edge contract section 16, EXT 1 and 2).
  ///
  /// Without it such a comparison is refused, as the hub does (hub contract section 9.4).
  public var readsPropertiesAsCompared = false

  /// Twin queries (hub contract section 7.7): names are paths into the row.
  public static let twinQuery = Dialect(grammar: .twinQuery)

  /// Routing conditions (hub contract section 9.4): names are application properties.
  public static let routing = Dialect(grammar: .routing)

  /// Routing conditions of the lenient profile, where `level > 3` and `alert = true` work.
  public static let lenientRouting = Dialect(grammar: .routing, readsPropertiesAsCompared: true)
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
