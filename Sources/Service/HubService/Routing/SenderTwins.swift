import HubContract
import HubEngine
import JSONTree
import Synchronization

/// What routes ask of the senders' twins, kept so that a message does not have to wait for the registry.
///
/// Changes of twins come here once they are durable. A twin that is not kept is read from the registry
/// at once, by the message that asks for it: the first one of a device, or the first after a new
/// configuration.
final class SenderTwins: Sendable {
  /// Twins that are kept; more begin anew.
  private static let capacity = 100_000

  private struct State {
    /// What is kept of each.
    var projection = TwinProjection()
    var twins: [IdentityKey: JSONValue] = [:]
    /// Counts how often all was forgotten: what was read before that must not be kept.
    var generation = 0
  }

  private let state = Mutex(State())
  private let registry = Mutex<(@Sendable (IdentityKey) -> TwinRecord?)?>(nil)

  /// Where twins are read that are not kept.
  func read(by read: @escaping @Sendable (IdentityKey) -> TwinRecord?) {
    registry.withLock { $0 = read }
  }

  /// What `projection` asks of the twin of `key`; nil if there is none.
  func twin(of key: IdentityKey, for projection: TwinProjection) -> JSONValue? {
    let (known, generation) = state.withLock { state in
      (state.projection == projection ? state.twins[key] : nil, state.generation)
    }
    if let known { return known }
    guard let record = registry.withLock({ $0 })?(key) else { return nil }
    let twin = projection(record)
    state.withLock { state in
      // What has come meanwhile is newer.
      guard state.generation == generation, state.projection == projection,
        state.twins[key] == nil
      else { return }
      keep(twin, of: key, in: &state)
    }
    return twin
  }

  /// A twin is new or has changed, durably.
  func changed(_ record: TwinRecord) {
    let (projection, generation) = state.withLock { ($0.projection, $0.generation) }
    guard !projection.isEmpty else { return }
    let twin = projection(record)
    state.withLock { state in
      if state.generation == generation { keep(twin, of: record.key, in: &state) }
    }
  }

  /// An identity is gone.
  func removed(_ key: IdentityKey) { state.withLock { $0.twins[key] = nil } }

  /// Forgets all twins, and keeps what `projection` asks for from now on.
  func reset(for projection: TwinProjection) {
    state.withLock { state in
      state.projection = projection
      state.twins = [:]
      state.generation += 1
    }
  }

  private func keep(_ twin: JSONValue, of key: IdentityKey, in state: inout State) {
    if state.twins.count >= Self.capacity {
      state.twins = [:]
      state.generation += 1
    }
    state.twins[key] = twin
  }
}
