import HubContract
import Synchronization

/// Which messages of edges are durable already, as far back as is remembered (edge contract, EXT 3).
///
/// An edge sends again what was not acknowledged when its connection ended, though much of that had
/// arrived. It's kept in memory: after a restart repetitions are messages once more.
package final class EdgeMessageMemory: Sendable {
  /// Edges that are remembered; beyond, the one is forgotten that came first.
  private static let edgeLimit = 1_024

  private struct State {
    var edges: [IdentityKey: EdgeMessages] = [:]
    var order: [IdentityKey] = []
  }

  private let state = Mutex(State())

  package init() {}

  /// What is remembered of `edge`.
  func messages(of edge: IdentityKey) -> EdgeMessages {
    state.withLock { state in
      if let known = state.edges[edge] { return known }
      if state.order.count >= Self.edgeLimit { state.edges[state.order.removeFirst()] = nil }
      let new = EdgeMessages()
      state.edges[edge] = new
      state.order.append(edge)
      return new
    }
  }
}

/// The last durable messages of one edge.
final class EdgeMessages: Sendable {
  /// Messages that are remembered: four times what an uplink has under way.
  static let limit = 4_096

  private struct State {
    var known: Set<EdgeMessageID> = []
    /// The same in their order, around the oldest once it is full.
    var ring: [EdgeMessageID] = []
    var oldest = 0
  }

  private let state = Mutex(State())

  init() {}

  /// Whether the message is durable.
  func contains(_ id: EdgeMessageID) -> Bool { state.withLock { $0.known.contains(id) } }

  /// The message is durable.
  func insert(_ id: EdgeMessageID) {
    state.withLock { state in
      guard state.known.insert(id).inserted else { return }
      guard state.ring.count == Self.limit else { return state.ring.append(id) }
      state.known.remove(state.ring[state.oldest])
      state.ring[state.oldest] = id
      state.oldest = (state.oldest + 1) % Self.limit
    }
  }
}
