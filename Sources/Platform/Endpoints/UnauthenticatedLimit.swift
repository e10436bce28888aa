import ByteIO
package import Logging
import Platform
import Synchronization

/// How many connections of one protocol may stand that have not said who they are.
///
/// One that comes when there are as many is to be closed at once. The log tells of such once a
/// second at most: they come in crowds.
package final class UnauthenticatedLimit: Sendable {
  private struct Report {
    var count = 0
    var next: Instant?
  }

  private static let reportMilliseconds: UInt64 = 1_000

  /// The protocol, as metrics and log name it.
  package let name: String
  private let limit: Int
  private let logger: Logger
  private let refused = Atomic<Int>(0)
  private let report = Mutex(Report())

  /// Allows `limit` connections of the protocol called `name`.
  package init(_ name: String, limit: Int, logger: Logger) {
    self.name = name
    self.limit = limit
    self.logger = logger
  }

  /// Connections turned away so far.
  package var refusedCount: Int { refused.load(ordering: .relaxed) }

  /// Whether one more may come where there are `count`; counts and reports the one that may not.
  package func admits(_ count: Int) -> Bool {
    if count < limit { return true }
    refused.count()
    let now = SystemClock.now()
    let unreported: Int? = report.withLock { report in
      report.count += 1
      if let next = report.next, now < next { return nil }
      let count = report.count
      report = Report(next: now.adding(milliseconds: Self.reportMilliseconds))
      return count
    }
    if let unreported {
      logger.warning(
        "connections closed: too many have not said who they are",
        metadata: [
          "protocol": "\(name)", "connections": "\(unreported)", "limit": "\(limit)",
        ]
      )
    }
    return false
  }
}
