import Dispatch
import HubContract
import Synchronization

/// Keeps large JSON off the event loops, and the twin requests of each identity in their order.
///
/// To parse 300 KB, the most that a device may send over MQTT, took up to 9 ms (measured: an array of
/// small numbers), in which nobody else on the loop is served; 16 KB took 0.3 ms at most. So what is
/// larger is done on a queue of its own, and so is whatever its sender asks behind it.
final class LargePatches: Sendable {
  /// Bytes that are parsed where they came, at most.
  static let inPlaceBytes = 16 << 10

  private let queue = DispatchQueue(label: "orrery.patches")
  /// How much of each identity's waits in the queue.
  private let waiting = Mutex<[IdentityKey: Int]>([:])

  /// Runs `work`, which takes a body of `byteCount` bytes and submits it to the store: at once, or
  /// behind what waits of the same identity.
  func inOrder(
    of identity: IdentityKey,
    byteCount: Int,
    _ work: @escaping @Sendable () -> Void
  ) {
    let waits = waiting.withLock { waiting in
      guard byteCount > Self.inPlaceBytes || waiting[identity] != nil else { return false }
      waiting[identity, default: 0] += 1
      return true
    }
    guard waits else { return work() }
    queue.async { [self] in
      work()
      waiting.withLock { waiting in
        let left = (waiting[identity] ?? 0) - 1
        waiting[identity] = left > 0 ? left : nil
      }
    }
  }
}
