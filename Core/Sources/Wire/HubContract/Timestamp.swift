/// A point of civil time, as the hub's bodies, tokens and events carry it.
///
/// Counted in ticks of 100 nanoseconds since 1970-01-01T00:00:00Z, the resolution of the original's
/// texts. Always within years 1 to 9999, so that every value has a text; arithmetic saturates there.
/// Never read from a clock in this ring: it is passed in.
public struct Timestamp: Comparable, Hashable, Sendable {
  /// Ticks of 100 ns since 1970-01-01T00:00:00Z, negative before.
  public let ticks: Int64

  /// Ticks in one second.
  public static let ticksPerSecond: Int64 = 10_000_000

  /// "It has not happened": 0001-01-01T00:00:00Z (contract §7.1).
  public static let never = Timestamp(unchecked: -621_355_968_000_000_000)

  /// The last tick of year 9999.
  public static let latest = Timestamp(unchecked: 2_534_023_007_999_999_999)

  /// 1970-01-01T00:00:00Z.
  public static let epoch = Timestamp(unchecked: 0)

  private init(unchecked ticks: Int64) { self.ticks = ticks }

  /// Creates the time `ticks` of 100 ns after the epoch, moved into years 1 to 9999.
  public init(ticks: Int64) {
    self.ticks = min(max(ticks, Self.never.ticks), Self.latest.ticks)
  }

  /// Creates the time `milliseconds` after the epoch, moved into years 1 to 9999.
  public init(milliseconds: Int64) {
    self = Self.epoch.adding(milliseconds: milliseconds)
  }

  /// Creates the time `seconds` after the epoch, moved into years 1 to 9999.
  public init(seconds: Int64) {
    self = Self.epoch.adding(seconds: seconds)
  }

  /// Whole milliseconds since the epoch, rounded down.
  public var milliseconds: Int64 { floored(by: 10_000) }

  /// Whole seconds since the epoch, rounded down.
  public var seconds: Int64 { floored(by: Self.ticksPerSecond) }

  /// The time `seconds` later (earlier if negative); saturates.
  public func adding(seconds: Int64) -> Timestamp { adding(seconds, of: Self.ticksPerSecond) }

  /// The time `milliseconds` later (earlier if negative); saturates.
  public func adding(milliseconds: Int64) -> Timestamp { adding(milliseconds, of: 10_000) }

  /// Whether `first` is earlier than `second`.
  public static func < (first: Timestamp, second: Timestamp) -> Bool {
    first.ticks < second.ticks
  }

  private func adding(_ count: Int64, of unit: Int64) -> Timestamp {
    let (product, overflow) = count.multipliedReportingOverflow(by: unit)
    let (sum, carried) = ticks.addingReportingOverflow(product)
    if overflow || carried { return count < 0 ? .never : .latest }
    return Timestamp(ticks: sum)
  }

  private func floored(by unit: Int64) -> Int64 {
    let (quotient, remainder) = ticks.quotientAndRemainder(dividingBy: unit)
    return remainder < 0 ? quotient - 1 : quotient
  }
}
