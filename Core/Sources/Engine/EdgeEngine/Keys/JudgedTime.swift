/// What an edge knows of the time when it makes and judges certificates (edge contract section 16,
/// DIFF 19).
///
/// All in seconds since 1970.
public struct JudgedTime: Equatable, Sendable {
  /// The best guess: the system's clock, but never before `least`.
  public var seconds: Int64
  /// What is certain: it is this late, or later.
  ///
  /// Never ahead because a clock was.
  public var least: Int64
  /// Whether the system's clock has proven that it keeps time while the edge is off, and was not set
  /// since.
  ///
  /// If not, nobody knows how much later than `least` it is.
  public var isSteady: Bool

  /// Creates a time; `seconds` is raised to `least`.
  public init(seconds: Int64, least: Int64, isSteady: Bool) {
    self.seconds = max(seconds, least)
    self.least = least
    self.isSteady = isSteady
  }
}
