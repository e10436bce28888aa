/// A test of a message that conditions join with AND, OR and NOT; all conditions in which it occurs
/// share it.
struct Predicate: Equatable, Sendable {
  enum Kind: Equatable, Sendable {
    /// A property's text compared with a literal.
    case text(Comparison)
    /// The number that a property's text spells, compared with a literal.
    case number(Comparison)
    /// The truth value that a property's text spells, compared with a literal.
    case truth(Comparison)
    /// Whether there is the property.
    case isDefined
    /// Whether the property is there without a value.
    case isNull
    /// Whether a property's text begins, or ends, with a literal.
    case startsWith, endsWith
    /// Anything else: a program, whose result counts.
    case program
  }

  let kind: Kind
  /// Number of the operand that is asked for, or of the program.
  let operand: Int
  /// The literal that is a number, or a truth value as 0 or 1.
  var number = 0.0
  /// Number of the literal that is a text.
  var literal = 0
}

/// A condition as predicates and what joins them.
///
/// The steps of an edge's condition down to where they are no longer logic, in their order; each
/// writes the register with its own number, counted from the condition's first step.
enum DecisionStep: Equatable, Sendable {
  case predicate(Int)
  case not(Program.Register)
  case and(Program.Register, Program.Register)
  case or(Program.Register, Program.Register)
  /// Goes on behind `target`, which gets the register's outcome, if that is `outcome`.
  case skip(if: Outcome, Program.Register, target: Program.Register)
}
