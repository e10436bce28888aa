/// The time at an edge, as `EdgeClock` gives it.
public struct EdgeTime: Equatable, Sendable {
  /// The best guess of calendar time, in milliseconds since 1970; never going back.
  public var calendar: UInt64
  /// How long the edge has lived, in milliseconds from an arbitrary start: what lifetimes and delays
  /// are measured in, because no step of a clock changes it.
  public var age: UInt64

  /// Creates a reading.
  public init(calendar: UInt64, age: UInt64) {
    self.calendar = calendar
    self.age = age
  }
}
