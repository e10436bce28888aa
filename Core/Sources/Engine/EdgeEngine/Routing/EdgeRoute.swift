public import QueryLanguage

/// One route of an edge, compiled (edge contract sections 2.6 and 6).
public struct EdgeRoute: Sendable {
  /// What happens to a message that finds the store full (edge contract section 16, EXT 5).
  public enum WhenFull: String, CaseIterable, Equatable, Sendable {
    /// The sender is refused, and keeps it.
    case refuse
    /// The oldest message of the queue gives way.
    case dropOldest
  }

  /// Priority of a route that names none; it comes after all that do.
  public static let defaultPriority: UInt32 = 2_000_000_000

  /// The name in the configuration.
  public let name: String
  /// The route as written and compiled.
  public let statement: RouteStatement
  /// Which messages it is tried on.
  public let source: RouteSource
  /// 0, the highest, to 9, or `defaultPriority`.
  public let priority: UInt32
  /// How long its messages may wait, nil for the configuration's general value.
  public let timeToLive: TimeToLive?
  /// What happens when the store is full.
  public let whenFull: WhenFull

  /// Compiles `text`.
  ///
  /// - Throws: the first rule that the text breaks, with its place.
  public init(
    name: String,
    _ text: String,
    priority: UInt32 = defaultPriority,
    timeToLive: TimeToLive? = nil,
    whenFull: WhenFull = .refuse,
    profile: Dialect.EdgeProfile = .lenient
  ) throws(QueryFault) {
    self.name = name
    statement = try RouteStatement(text, profile: profile)
    source = RouteSource(statement.source)
    self.priority = priority
    self.timeToLive = timeToLive
    self.whenFull = whenFull
  }
}
