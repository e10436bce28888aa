/// When something can be reached, from the start of a rehearsal on.
public struct LinkSchedule: Equatable, Sendable {
  /// A time during which nothing changes.
  public struct Phase: Equatable, Sendable {
    /// Whether it can be reached.
    public let isUp: Bool
    /// How long, at least 1; nil for until the end.
    public let milliseconds: UInt64?

    /// Creates a phase.
    public init(isUp: Bool, milliseconds: UInt64?) {
      self.isUp = isUp
      self.milliseconds = milliseconds
    }
  }

  /// It can be reached all the time.
  public static let always = LinkSchedule([Phase(isUp: true, milliseconds: nil)])

  /// The phases, one after the other; the last one goes on.
  public let phases: [Phase]
  /// Whether they begin anew after the last, all of which have an end then.
  public let isRepeated: Bool

  /// Joins phases; what stands behind one that has no end is never reached.
  public init(_ phases: [Phase], isRepeated: Bool = false) {
    self.phases = phases
    self.isRepeated = isRepeated && phases.allSatisfy { $0.milliseconds != nil }
  }

  /// How long all phases take that have an end.
  public var boundedMilliseconds: UInt64 { phases.reduce(0) { $0 &+ ($1.milliseconds ?? 0) } }

  /// How it is at `time`, and when that changes; nil for never.
  public func state(at time: UInt64) -> (isUp: Bool, changes: UInt64?) {
    let whole = boundedMilliseconds
    let begin = isRepeated && whole > 0 ? time / whole * whole : 0
    var end = begin
    for (number, phase) in phases.enumerated() {
      let isLast = number == phases.count - 1 && !isRepeated
      guard !isLast, let length = phase.milliseconds else { return (phase.isUp, nil) }
      end += length
      if time < end { return (phase.isUp, end) }
    }
    return (true, nil)
  }

  /// Whether it can be reached at `time` or later.
  public func isEverUp(from time: UInt64) -> Bool {
    var time = time
    // One turn of all phases shows everything.
    for _ in 0...phases.count {
      let (isUp, changes) = state(at: time)
      if isUp { return true }
      guard let changes else { return false }
      time = changes
    }
    return false
  }
}
