package import HubContract
import Synchronization

/// Who is connected now: one connection for each identity.
package final class DeviceDirectory: Sendable {
  package init() {}

  /// A live connection.
  package struct Entry: Sendable {
    package let handle: DeviceHandle
    package let device: AdmittedDevice
    package let since: Timestamp
  }

  private struct State {
    var entries: [IdentityKey: Entry] = [:]
    var devices = 0
    /// Connections that an edge hub holds for others.
    var chained = 0
  }

  private let state = Mutex(State())
  /// Counts changes of identities; an admission judged before a change is judged again.
  private let changes = Atomic<UInt64>(0)

  /// The number of the last change.
  package var epoch: UInt64 { changes.load(ordering: .acquiring) }

  /// Notes that an identity, a policy or an authority changed.
  package func changed() { changes.add(1, ordering: .acquiringAndReleasing) }

  /// Makes `handle` the connection of its identity; answers the one it replaces.
  ///
  /// Nil, without doing anything, if something changed since the admission.
  package func enter(_ handle: DeviceHandle, _ device: AdmittedDevice, now: Timestamp) -> Entered {
    state.withLock { state in
      guard epoch == device.epoch else { return .outdated }
      let entry = Entry(handle: handle, device: device, since: now)
      let old = state.entries.updateValue(entry, forKey: device.identity)
      if old == nil, device.identity.moduleID == nil { state.devices += 1 }
      if let old, old.device.credential.isChained { state.chained -= 1 }
      if device.credential.isChained { state.chained += 1 }
      return .entered(replacing: old?.handle)
    }
  }

  package enum Entered {
    case entered(replacing: DeviceHandle?)
    case outdated
  }

  /// Takes `handle` out; false if another connection has taken its place.
  package func leave(_ handle: DeviceHandle, _ identity: IdentityKey) -> Bool {
    state.withLock { state in
      guard let entry = state.entries[identity], entry.handle === handle else { return false }
      state.entries[identity] = nil
      if entry.device.credential.isChained { state.chained -= 1 }
      if identity.moduleID == nil { state.devices -= 1 }
      return true
    }
  }

  package subscript(identity: IdentityKey) -> Entry? { state.withLock { $0.entries[identity] } }

  /// The connections for which `predicate` holds.
  package func entries(where predicate: (Entry) -> Bool) -> [Entry] {
    state.withLock { Array($0.entries.values) }.filter(predicate)
  }

  /// Whether any connection is held by an edge hub for another identity.
  package var hasChained: Bool { state.withLock { $0.chained > 0 } }

  /// Connected devices and modules.
  package var count: Int { state.withLock { $0.entries.count } }

  /// Connected devices, modules not counted.
  package var deviceCount: Int { state.withLock { $0.devices } }
}
