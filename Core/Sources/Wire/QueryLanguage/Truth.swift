/// A value of three-valued logic (hub contract section 9.4).
///
/// Only `true` routes a message or selects a row.
public enum Truth: Equatable, Sendable {
  /// The condition holds.
  case `true`
  /// The condition does not hold.
  case `false`
  /// It cannot be told, because something it asks for is missing or of another type.
  case undefined
}
