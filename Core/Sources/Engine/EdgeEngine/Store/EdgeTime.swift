/// The time at an edge, as `EdgeClock` gives it.
public struct EdgeTime: Equatable, Sendable {
  /// The best guess of calendar time, in milliseconds since 1970; never going back.
  public var calendar: UInt64
  /// How long the edge has lived, in milliseconds from an arbitrary start: what lifetimes and delays
  /// are measured in, because no step of a clock changes it.
  public var age: UInt64
  /// An age that no restart falls behind, because it is stored; at most `age`.
  ///
  /// Whether a message's time is over is judged by it. Judged by `age`, a message could be passed
  /// over, those behind it delivered, and after a power cut, with an age of a minute before, the
  /// message itself would arrive behind them.
  public var savedAge: UInt64

  /// Creates a reading; `savedAge` is `age` unless it is given.
  public init(calendar: UInt64, age: UInt64, savedAge: UInt64? = nil) {
    self.calendar = calendar
    self.age = age
    self.savedAge = savedAge ?? age
  }
}
