/// How long an endpoint is left alone after a failure.
///
/// The wait doubles with each failure in a row up to a maximum, and a part of it is left to chance, so
/// that many endpoints behind one server don't come back in step.
public struct RetryPolicy: Equatable, Sendable {
  /// Milliseconds after the first failure.
  public var firstMilliseconds: UInt64
  /// Most milliseconds.
  public var maximumMilliseconds: UInt64

  /// Creates a policy: a second at first, five minutes at most.
  public init(firstMilliseconds: UInt64 = 1000, maximumMilliseconds: UInt64 = 300_000) {
    self.firstMilliseconds = max(firstMilliseconds, 1)
    self.maximumMilliseconds = max(maximumMilliseconds, self.firstMilliseconds)
  }

  /// Milliseconds to wait after `attempt` failures in a row, counted from 1: between three quarters
  /// of the step and all of it, as `random` says.
  public func delayMilliseconds(attempt: Int, random: UInt64) -> UInt64 {
    let doublings = UInt64(min(max(attempt - 1, 0), 40))
    let (step, overflow) = firstMilliseconds.multipliedReportingOverflow(by: 1 << doublings)
    let full = overflow ? maximumMilliseconds : min(step, maximumMilliseconds)
    return full - random % (full / 4 + 1)
  }
}
