package import NIOCore
import Synchronization

/// The connections of the shared port: how many there are, and which of them are strangers.
///
/// A stranger is one none of whose requests has shown a credential that holds. It stops being one
/// with such a request, or by an upgrade: then the protocol inside asks who it is, and counts it.
package final class SharedPortConnections: Sendable {
  /// Counts what happens here before a request is there.
  package let counters = EndpointCounters()
  /// How many strangers there may be.
  package let limit: UnauthenticatedLimit
  private let strangers = Mutex<[ObjectIdentifier: RequestGateHandle]>([:])

  /// Nobody yet.
  package init(limit: UnauthenticatedLimit) { self.limit = limit }

  /// Strangers now.
  package var strangerCount: Int { strangers.withLock { $0.count } }

  /// A request on `channel` has shown a credential that holds; from any thread.
  package func authenticated(_ channel: any Channel) { forget(channel)?.authenticated() }

  /// Takes in `channel`, whose requests pass `gate`; false if there are too many strangers.
  func enter(_ channel: any Channel, _ gate: RequestGateHandle) -> Bool {
    // Loops that take connections at the same moment may exceed the limit by their number.
    guard limit.admits(strangerCount) else { return false }
    strangers.withLock { $0[ObjectIdentifier(channel)] = gate }
    counters.sharedConnections.count()
    return true
  }

  /// `channel` is gone.
  func left(_ channel: any Channel) {
    forget(channel)
    counters.sharedConnections.count(-1)
  }

  /// Counts `channel` as a stranger no more; answers its gate if it was one.
  @discardableResult
  func forget(_ channel: any Channel) -> RequestGateHandle? {
    strangers.withLock { $0.removeValue(forKey: ObjectIdentifier(channel)) }
  }
}
