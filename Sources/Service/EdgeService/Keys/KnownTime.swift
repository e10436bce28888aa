package import ByteIO
package import HubContract
import JSONTree
import Platform
import Synchronization

/// The time as far as it is known: the wall clock, but never before a time that was seen at the hub.
///
/// A gateway without a battery may start in 1970 and stay there for as long as it is offline. Tokens
/// and certificates made by such a clock would be refused once the hub is back. What counts
/// as seen is what the hub said over verified TLS: a clock that runs ahead must not become the bound.
package final class KnownTime: Sendable {
  private struct Bound: Sendable {
    var seconds: Int64
    /// The monotonic clock when `seconds` was the time.
    var at: Instant
    var storedSeconds: Int64

    func least(_ now: Instant) -> Int64 { seconds + Int64(now.milliseconds(since: at) / 1_000) }
  }

  /// Seconds between two writes of the bound.
  private static let storeInterval: Int64 = 3_600

  private let path: String
  private let wall: @Sendable () -> Int64
  private let monotonic: @Sendable () -> Instant
  private let bound: Mutex<Bound>

  /// Reads the last bound; a file that cannot be read bounds nothing.
  ///
  /// - Parameters:
  ///   - directory: Where the bound is kept.
  ///   - wall: The wall clock, seconds since 1970.
  ///   - monotonic: The monotonic clock.
  package init(
    directory: String,
    wall: @escaping @Sendable () -> Int64 = { SystemClock.wallMilliseconds() / 1_000 },
    monotonic: @escaping @Sendable () -> Instant = { SystemClock.now() }
  ) {
    path = directory + "/time.json"
    self.wall = wall
    self.monotonic = monotonic
    let stored = (try? PrivateFile.read(path, limit: 4_096)).flatMap { try? JSON.parse($0) }
    let seconds = stored?["seen"]?.int64Value ?? 0
    bound = Mutex(Bound(seconds: seconds, at: monotonic(), storedSeconds: seconds))
  }

  /// Seconds since 1970.
  package var seconds: Int64 {
    let now = monotonic()
    let least = bound.withLock { $0.least(now) }
    return max(wall(), least)
  }

  /// The time, as the rest of the hub's code has it.
  package var timestamp: Timestamp { Timestamp(seconds: seconds) }

  /// Takes the time that the hub said over verified TLS.
  package func saw(_ seconds: Int64) {
    let now = monotonic()
    let isToStore = bound.withLock { bound in
      guard seconds > bound.least(now) else { return false }
      bound.seconds = seconds
      bound.at = now
      guard seconds - bound.storedSeconds >= Self.storeInterval else { return false }
      bound.storedSeconds = seconds
      return true
    }
    guard isToStore else { return }
    // Only a bound: without it, the one before holds.
    try? PrivateFile.replace(path, with: JSON.bytes(["seen": .int(seconds)]))
  }
}
