/// A reading of a monotonic clock.
///
/// Passed in, never read here.
public struct Instant: Comparable, Hashable, Sendable {
  /// Nanoseconds since an origin that the clock's owner chose.
  public var nanoseconds: UInt64

  /// Creates the reading `nanoseconds` after the origin.
  @inlinable public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  /// Whether `first` is earlier than `second`.
  @inlinable
  public static func < (first: Instant, second: Instant) -> Bool {
    first.nanoseconds < second.nanoseconds
  }

  /// The instant `milliseconds` later; saturates at the end of the clock.
  @inlinable
  public func adding(milliseconds: UInt64) -> Instant {
    let (product, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
    let (sum, carried) = nanoseconds.addingReportingOverflow(product)
    return Instant(nanoseconds: overflow || carried ? .max : sum)
  }

  /// Whole milliseconds from `earlier` to this, 0 if it is not earlier.
  @inlinable
  public func milliseconds(since earlier: Instant) -> UInt64 {
    nanoseconds <= earlier.nanoseconds ? 0 : (nanoseconds - earlier.nanoseconds) / 1_000_000
  }
}
