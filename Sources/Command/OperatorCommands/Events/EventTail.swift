import HubContract
import JSONTree
import Platform

/// Reads the hub's events one long poll after another, across restarts of the hub.
///
/// Where it is, it knows by the continuation that came with the last answer: nothing is missed and
/// nothing comes twice, as long as the hub still keeps it.
struct EventTail: Sendable {
  /// What to do after an event.
  enum Verdict: Sendable {
    /// Read on.
    case next
    /// That was enough.
    case enough
  }

  let hub: HubClient
  /// Name of a stream, nil for the built-in one.
  let stream: String?
  /// Number of a partition, nil for all.
  let partition: Int?
  let start: EventStart
  /// A device whose events alone the hub is asked for; nil for all.
  let device: String?

  /// How long the hub may hold an answer back while there are no events, in seconds.
  private static let pollSeconds: Int64 = 20
  /// Events in one answer at most.
  private static let batch = 500
  /// The first and the longest pause before the hub is asked again, in milliseconds.
  private static let pauses = 250...8000

  /// Hands every event to `body` until that has enough, or `deadline` says so.
  ///
  /// Before each poll `deadline` is asked for the seconds that are left; nil goes on for ever.
  /// `troubled` is told when the hub cannot be reached, and with nil when it can be again.
  ///
  /// - Throws: What waiting does not mend: a refused credential, a position the hub does not know.
  func run(
    deadline: () -> Int64?,
    troubled: (CommandFailure?) -> Void,
    _ body: (JSONValue) throws -> Verdict
  ) async throws {
    var continuation: String?
    var pause = Self.pauses.lowerBound
    var isTroubled = false
    while true {
      let left = deadline()
      if let left, left <= 0 { return }
      let wait = min(Self.pollSeconds, left ?? Self.pollSeconds)
      do {
        let answer = try await poll(continuation, wait)
        if isTroubled { troubled(nil) }
        isTroubled = false
        pause = Self.pauses.lowerBound
        for event in answer["events"]?.arrayValue ?? [] {
          guard case .next = try body(event) else { return }
        }
        continuation = answer["continuation"]?.stringValue ?? continuation
      } catch let failure as CommandFailure where Self.mendsItself(failure) {
        if !isTroubled { troubled(failure) }
        isTroubled = true
        // Up to a quarter more or less, so that many readers do not come back all at once.
        let jitter = Int.random(in: -pause / 4...pause / 4)
        try await Pause.sleep(for: .milliseconds(pause + jitter))
        pause = min(pause * 2, Self.pauses.upperBound)
      }
    }
  }

  private func poll(_ continuation: String?, _ wait: Int64) async throws -> JSONValue {
    let request = HubRequest(.get, ["events"])
      .query("stream", stream)
      .query("partition", partition.map { String($0) } ?? "all")
      // Only one of them: the continuation knows where the start led to.
      .query("from", continuation == nil ? start.parameter : nil)
      .query("continuation", continuation)
      .query("device", device)
      .query("timeout", String(wait))
      .query("max", String(Self.batch))
      .timeout(seconds: wait + 15)
    return try await hub.perform(request, "events").json()
  }

  private static func mendsItself(_ failure: CommandFailure) -> Bool {
    failure.status == .unreachable || failure.status == .timedOut
  }
}
