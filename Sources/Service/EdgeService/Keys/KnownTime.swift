package import ByteIO
package import EdgeEngine
package import HubContract
import JSONTree
import Platform
import Synchronization

/// The time as far as it is known: the wall clock, but never before a time that is certain.
///
/// A gateway without a battery may start in 1970 and stay there for as long as it is offline. Tokens
/// and certificates made by such a clock would be refused once the hub is back. What is certain is
/// what the hub said over verified TLS, and what has passed since while this ran: a clock that
/// runs ahead must not become the bound.
package final class KnownTime: Sendable {
  private struct State: Sendable {
    var clock: EdgeClock
    /// What was stored last.
    var stored: EdgeClock.State
  }

  /// Seconds between two writes of the bound.
  private static let storeInterval: UInt64 = 3_600
  /// 2026-01-01: a wall clock that says less has lost its time.
  private static let earliest: Int64 = 1_767_225_600
  /// What the wall clock may differ from the hub's time by, in seconds, and still be right.
  private static let tolerance = EdgeClock.steadyMilliseconds / 1_000

  private let path: String
  private let wall: @Sendable () -> Int64
  private let monotonic: @Sendable () -> Instant
  private let state: Mutex<State>

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
    let file = (try? PrivateFile.read(path, limit: 4_096)).flatMap { try? JSON.parse($0) }
    let start = wall()
    // At the first start nothing speaks against the wall clock, unless its time is impossible.
    let stored = EdgeClock.State(
      calendar: Self.milliseconds(file?["seen"]?.int64Value ?? 0),
      age: 0,
      keepsTime: start >= Self.earliest && (file?["keepsTime"]?.boolValue ?? (file == nil))
    )
    let clock = EdgeClock(stored, wall: Self.milliseconds(start), monotonic: monotonic())
    state = Mutex(State(clock: clock, stored: stored))
  }

  private static func milliseconds(_ seconds: Int64) -> UInt64 {
    let (product, overflow) = UInt64(clamping: seconds).multipliedReportingOverflow(by: 1_000)
    return overflow ? .max / 2 : product
  }

  /// What is known of the time now.
  package var judged: JudgedTime {
    let (wall, now) = (wall(), monotonic())
    return state.withLock { state in
      let time = state.clock.read(wall: Self.milliseconds(wall), monotonic: now)
      keep(&state)
      return JudgedTime(
        seconds: wall,
        least: Int64(clamping: time.calendar / 1_000),
        isSteady: state.clock.state.keepsTime
      )
    }
  }

  /// Seconds since 1970.
  package var seconds: Int64 { judged.seconds }

  /// The time, as the rest of the hub's code has it.
  package var timestamp: Timestamp { Timestamp(seconds: seconds) }

  /// Takes the time that the hub said over verified TLS.
  package func saw(_ seconds: Int64) {
    let (wall, now) = (wall(), monotonic())
    state.withLock { state in
      let (distance, overflow) = wall.subtractingReportingOverflow(seconds)
      let isRight = !overflow && distance.magnitude <= Self.tolerance
      if isRight {
        state.clock.confirm(wall: Self.milliseconds(wall), monotonic: now)
      } else {
        let calendar = state.clock.read(wall: Self.milliseconds(wall), monotonic: now).calendar
        state.clock = EdgeClock(
          EdgeClock.State(
            calendar: max(calendar, Self.milliseconds(seconds)),
            age: 0,
            keepsTime: false
          ),
          wall: Self.milliseconds(wall),
          monotonic: now
        )
      }
      keep(&state)
    }
  }

  /// Stores what the next start needs, where that has changed enough.
  private func keep(_ state: inout State) {
    let (now, stored) = (state.clock.state, state.stored)
    guard
      now.keepsTime != stored.keepsTime
        || now.calendar >= stored.calendar + Self.storeInterval * 1_000
    else { return }
    let json: JSONValue = [
      "seen": .int(Int64(clamping: now.calendar / 1_000)), "keepsTime": .bool(now.keepsTime),
    ]
    // Only a bound: without it, the one before holds.
    guard (try? PrivateFile.replace(path, with: JSON.bytes(json))) != nil else { return }
    state.stored = now
  }
}
