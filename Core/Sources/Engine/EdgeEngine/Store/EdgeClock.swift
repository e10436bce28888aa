public import ByteIO

/// The time of an edge that may have no battery and no time service (edge contract sections 9.1 and
/// 16, DIFF 19).
///
/// It knows two things apart. The **calendar** is the best guess of what the clock on the wall says:
/// it never goes back, and a jump forward that the monotonic clock does not explain is believed only
/// once something vouches for the system's clock, such as a link upstream. The **age** is what
/// lifetimes are measured in: no jump changes it, so that no message dies of a clock being set.
///
/// While the edge is off both go on only if the system's clock has proven that it keeps time then:
/// it did so before the last stop, and what it says now is later and within reason. Else the age
/// stands still; messages live longer rather than shorter.
public struct EdgeClock: Equatable, Sendable {
  /// What has to be stored to go on after a restart: once a minute or so, at once when `keepsTime`
  /// has changed, when a link is made, and when `EdgeStore.isClockAwaited` says so.
  public struct State: Equatable, Sendable {
    /// The calendar, in milliseconds since 1970.
    public var calendar: UInt64
    /// The age, in milliseconds.
    public var age: UInt64
    /// Whether the system's clock kept time while the edge was off, when it was last seen.
    public var keepsTime: Bool

    /// Creates a state.
    public init(calendar: UInt64, age: UInt64, keepsTime: Bool) {
      self.calendar = calendar
      self.age = age
      self.keepsTime = keepsTime
    }
  }

  /// A clock that runs ahead of the monotonic one by less than this is being corrected, not set.
  public static let toleranceMilliseconds: UInt64 = 2000
  /// What the system's clock may be wrong by at a start, and still be said to keep time.
  public static let steadyMilliseconds: UInt64 = 300_000
  /// No edge is off for longer and then still believed: 32 days.
  public static let longestOffMilliseconds: UInt64 = 32 * 86_400_000

  private var time: EdgeTime
  private var monotonic: Instant
  private var keepsTime: Bool
  /// What the system's clock said last.
  private var lastWall: UInt64
  /// What the system's clock said at the start, and when.
  private let startWall: UInt64
  private let start: Instant
  /// Whether the system's clock was vouched for, and not set since.
  public private(set) var isConfirmed = false

  /// Starts with what was stored, if anything, and the system's clocks; `wall` in milliseconds since
  /// 1970.
  public init(_ state: State? = nil, wall: UInt64, monotonic: Instant) {
    self.monotonic = monotonic
    lastWall = wall
    startWall = wall
    start = monotonic
    guard let state else {
      time = EdgeTime(calendar: wall, age: wall, savedAge: 0)
      keepsTime = false
      return
    }
    time = EdgeTime(calendar: state.calendar, age: state.age, savedAge: state.age)
    keepsTime = state.keepsTime && wall >= state.calendar
    guard keepsTime, case let off = wall - state.calendar, off <= Self.longestOffMilliseconds
    else { return }
    time.calendar = wall
    time.age += off
  }

  /// What to store.
  public var state: State {
    State(calendar: time.calendar, age: time.age, keepsTime: keepsTime)
  }

  /// Takes note that `state` is stored, durably.
  public mutating func saved(_ state: State) {
    time.savedAge = max(time.savedAge, min(state.age, time.age))
  }

  /// The time now; `wall` in milliseconds since 1970.
  public mutating func read(wall: UInt64, monotonic now: Instant) -> EdgeTime {
    let passed = now.milliseconds(since: monotonic)
    // The rest of a millisecond counts with the next reading.
    monotonic = Instant(
      nanoseconds: monotonic.nanoseconds + passed * 1_000_000
    )
    time.age += passed
    if Self.distance(wall, lastWall &+ passed) > Self.steadyMilliseconds {
      // Somebody has set it. Nobody knows yet whether to the better.
      isConfirmed = false
      keepsTime = false
    }
    lastWall = wall
    let calendar = time.calendar + passed
    if wall >= calendar {
      let ahead = wall - calendar
      time.calendar = isConfirmed && ahead <= Self.toleranceMilliseconds ? wall : calendar
    } else if isConfirmed {
      // Ours is ahead: it goes at half the pace until the other has caught up.
      time.calendar = max(wall, time.calendar + passed / 2)
    } else {
      time.calendar = calendar
    }
    return time
  }

  /// Takes note that the system's clock is right, because a peer that knows the time agreed with it;
  /// answers how many milliseconds the calendar jumped forward.
  @discardableResult
  public mutating func confirm(wall: UInt64, monotonic now: Instant) -> UInt64 {
    let expected = startWall &+ now.milliseconds(since: start)
    let before = read(wall: wall, monotonic: now)
    if !isConfirmed {
      // The first witness also judges how the clock came through the time before the start.
      keepsTime = Self.distance(wall, expected) <= Self.steadyMilliseconds
    }
    isConfirmed = true
    guard wall > before.calendar else { return 0 }
    time.calendar = wall
    return wall - before.calendar
  }

  private static func distance(_ first: UInt64, _ second: UInt64) -> UInt64 {
    first > second ? first - second : second - first
  }
}
