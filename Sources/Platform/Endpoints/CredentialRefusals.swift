import ByteIO
package import Logging
import Platform
import Synchronization

/// Counts the credentials that a hub refused, by protocol, and tells of them in the log.
///
/// One connection of HTTPS or AMQP may show any number of credentials, so that the log gets a bounded
/// number of lines a second; the metric counts all.
package final class CredentialRefusals: Sendable {
  /// How a client speaks to it.
  package enum Channel: String, CaseIterable, Sendable {
    case mqtt
    case amqp
    case https
  }

  /// Lines of the log at most in a second.
  static let linesPerSecond = 50

  private struct State {
    var counts: [Channel: Int] = [:]
    /// When the second ends in which `lines` were written.
    var end: Instant?
    var lines = 0
    var unreported = 0
  }

  private let logger: Logger
  private let state = Mutex(State())

  package init(logger: Logger) { self.logger = logger }

  /// How many were refused over `channel`.
  package subscript(channel: Channel) -> Int { state.withLock { $0.counts[channel] ?? 0 } }

  /// Counts one that somebody else tells of.
  package func count(_ channel: Channel) { state.withLock { $0.counts[channel, default: 0] += 1 } }

  /// Counts one, and tells of it as MQTT connections do of theirs.
  ///
  /// - Parameters:
  ///   - channel: How it came.
  ///   - what: What was refused, in the log's words.
  ///   - client: Who the client says it is; it may have written anything.
  ///   - address: The peer's address.
  ///   - reason: What was wrong, without the credential.
  ///   - trackingID: What the client is told to name the case by.
  package func tell(
    _ channel: Channel,
    _ what: String,
    client: String,
    address: String,
    reason: String,
    trackingID: String? = nil
  ) {
    let now = SystemClock.now()
    let unreported: Int? = state.withLock { state in
      state.counts[channel, default: 0] += 1
      if state.end.map({ now >= $0 }) ?? true {
        state.end = now.adding(milliseconds: 1_000)
        state.lines = 0
      }
      guard state.lines < Self.linesPerSecond else {
        state.unreported += 1
        return nil
      }
      state.lines += 1
      defer { state.unreported = 0 }
      return state.unreported
    }
    guard let unreported else { return }
    var metadata: Logger.Metadata = [
      "client": "\(client.prefix(257))", "address": "\(address)", "reason": "\(reason)",
    ]
    if let trackingID { metadata["trackingID"] = "\(trackingID)" }
    if unreported > 0 { metadata["unreported"] = "\(unreported)" }
    logger.info("\(what)", metadata: metadata)
  }
}
