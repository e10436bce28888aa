import HubEngine
import JSONTree

/// A simulated device: keeps a twin as the stock clients do, reports, and completes messages.
struct HubSimDevice {
  let index: Int
  /// The connection it uses or tries to get.
  var connection: HubSimConnection?
  var isConnected = false
  /// When it began to wait for an answer to CONNECT or to a patch, if it does.
  var waitingSince: UInt64?
  /// When it began to wait for its twin, if it does.
  var twinAwaitedSince: UInt64?
  /// When it began to wait for the answer that is due longest; then it gives the connection up.
  var oldestWait: UInt64? { [waitingSince, twinAwaitedSince].compactMap(\.self).min() }

  var desired = JSONObject()
  var desiredVersion: UInt64 = 0
  /// The value of reported property `n` that it wants known, and the last that was acknowledged.
  var reported: Int64 = 0
  var reportedAcknowledged: Int64 = 0

  /// The messages it has seen, by their text.
  var received: Set<String> = []
  /// Sequence of the last message that was new to it.
  var lastNewSequence: UInt64 = 0

  init(index: Int) { self.index = index }

  mutating func lost() {
    connection = nil
    isConnected = false
    waitingSince = nil
    twinAwaitedSince = nil
  }

  /// What it does when `message` arrives.
  ///
  /// - Returns: what it sends, and the rule that the hub broke, if any.
  mutating func receive(_ message: HubSimDownlink) -> (reply: HubSimUplink?, broken: String?) {
    switch message {
    case .connected:
      isConnected = true
      waitingSince = nil
      return (.getTwin, nil)
    case .twin(let body):
      guard let twin = (try? JSON.parse(body))?.objectValue,
        var section = twin["desired"]?.objectValue,
        let version = section["$version"]?.int64Value
      else { return (nil, "the twin is not what section 3.6 shows") }
      section["$version"] = nil
      twinAwaitedSince = nil
      guard version >= desiredVersion else {
        return (nil, "the desired version went back from \(desiredVersion) to \(version)")
      }
      desired = section
      desiredVersion = UInt64(version)
      return (nil, nil)
    case .desired(let body):
      guard var patch = (try? JSON.parse(body))?.objectValue,
        let version = patch["$version"]?.int64Value
      else { return (nil, "the patch has no $version") }
      guard version > desiredVersion else { return (nil, nil) }
      guard version == desiredVersion + 1 else { return (.getTwin, nil) }
      patch["$version"] = nil
      desired.merge(patch: patch)
      desiredVersion = UInt64(version)
      return (nil, nil)
    case .reportedAnswer(let value, let isDone):
      waitingSince = nil
      if isDone { reportedAcknowledged = max(reportedAcknowledged, value) }
      return (nil, nil)
    case .message(let message):
      guard let token = message.lock?.token else { return (nil, "a message without a lock") }
      if received.insert(String(decoding: message.body, as: UTF8.self)).inserted {
        guard message.sequence > lastNewSequence else {
          return (nil, "message \(message.sequence) came after \(lastNewSequence)")
        }
        lastNewSequence = message.sequence
      }
      return (.complete(token), nil)
    }
  }
}
