@preconcurrency import Dispatch
import HubContract
import JSONTree
import Logging
import Platform
import Synchronization

/// The subscriptions of lasting sessions, on disk.
final class SessionStore: Sendable {
  typealias Subscriptions = [(filter: String, quality: UInt8)]

  private struct State {
    var sessions: [IdentityKey: Subscriptions] = [:]
    var waiting: [@Sendable (Bool) -> Void] = []
    var isWriting = false
  }

  private let state = Mutex(State())
  private let path: String
  private let writer = DispatchQueue(label: "orrery.edge.sessions")
  private let logger: Logger

  /// Reads what is there; what can't be read is as if it were not there: clients subscribe again.
  init(_ path: String, logger: Logger) {
    self.path = path
    self.logger = logger
    guard PrivateFile.exists(path) else { return }
    do {
      let json = try JSON.parse(try PrivateFile.read(path))
      let sessions = (json.objectValue ?? [:]).compactMap { id, value in
        IdentityKey(clientID: id).map { key in
          (
            key,
            (value.objectValue ?? [:]).compactMap { filter, quality in
              quality.int64Value.flatMap { UInt8(exactly: $0) }.map { (filter, $0) }
            }
          )
        }
      }
      state.withLock { $0.sessions = Dictionary(sessions) { _, last in last } }
    } catch {
      logger.warning(
        "sessions are forgotten; their clients subscribe again when they connect",
        metadata: ["file": "\(path)", "fault": "\(error)"]
      )
    }
  }

  /// What the lasting session of `identity` has subscribed to, nil if there is none.
  subscript(identity: IdentityKey) -> Subscriptions? { state.withLock { $0.sessions[identity] } }

  /// Sets the session's subscriptions, nil to forget it; `reply` is called when that is durable, or
  /// can't be.
  func set(
    _ subscriptions: Subscriptions?,
    of identity: IdentityKey,
    reply: @escaping @Sendable (Bool) -> Void
  ) {
    let starts = state.withLock { state in
      state.sessions[identity] = subscriptions
      state.waiting.append(reply)
      defer { state.isWriting = true }
      return !state.isWriting
    }
    if starts { writer.async { self.write() } }
  }

  /// Writes until nobody waits; those who came meanwhile share one write.
  private func write() {
    while true {
      let (replies, json) = state.withLock { state -> ([@Sendable (Bool) -> Void], JSONValue) in
        let replies = state.waiting
        state.waiting = []
        if replies.isEmpty { state.isWriting = false }
        return (replies, Self.json(state.sessions))
      }
      if replies.isEmpty { return }
      var isDurable = true
      do {
        try PrivateFile.replace(path, with: JSON.bytes(json))
      } catch {
        isDurable = false
        logger.error("a session is not kept", metadata: ["fault": "\(error)"])
      }
      for reply in replies { reply(isDurable) }
    }
  }

  private static func json(_ sessions: [IdentityKey: Subscriptions]) -> JSONValue {
    var object = JSONObject()
    for (key, subscriptions) in sessions {
      var filters = JSONObject()
      for (filter, quality) in subscriptions { filters[filter] = .int(Int64(quality)) }
      object[key.clientID] = .object(filters)
    }
    return .object(object)
  }
}
