/// How long a client waits before it tries again: twice as long each time, at random moments so that
/// those whose server has restarted do not come back all at once.
package struct ReconnectDelay: Sendable {
  /// Milliseconds of the first and of the longest wait.
  package let milliseconds: ClosedRange<UInt64>
  private var next: UInt64

  package init(milliseconds: ClosedRange<UInt64> = 1_000...60_000) {
    self.milliseconds = milliseconds
    next = milliseconds.lowerBound
  }

  /// Milliseconds to wait now: from half of the current wait to all of it.
  package mutating func take(using random: inout some RandomNumberGenerator) -> UInt64 {
    let wait = next
    next = min(wait.multipliedReportingOverflow(by: 2).partialValue, milliseconds.upperBound)
    return UInt64.random(in: wait / 2...wait, using: &random)
  }

  /// The connection was good: begins anew.
  package mutating func reset() { next = milliseconds.lowerBound }
}
