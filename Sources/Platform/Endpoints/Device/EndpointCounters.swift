package import Synchronization

/// What one event loop counted; read by scrapes, written by the loop alone.
package final class EndpointCounters: Sendable {
  package let connections = Atomic<Int>(0)
  /// Connections of the shared port, WebSockets included.
  package let sharedConnections = Atomic<Int>(0)
  /// Those present on the connections of their edge hubs.
  package let children = Atomic<Int>(0)
  /// Messages of edges that were durable already.
  package let repeated = Atomic<Int>(0)
  package let unauthenticated = Atomic<Int>(0)
  package let accepted = Atomic<Int>(0)
  package let refused = Atomic<Int>(0)
  /// Connections closed because they had not said who they are in time.
  package let connectTimeouts = Atomic<Int>(0)
  package let messages = Atomic<Int>(0)
  package let messageBytes = Atomic<Int>(0)
  package let acknowledged = Atomic<Int>(0)
  package let failedCommits = Atomic<Int>(0)
  package let sent = Atomic<Int>(0)
  package let protocolFaults = Atomic<Int>(0)

  package init() {}
}

extension Atomic where Value == Int {
  @inline(__always)
  func count(_ amount: Int = 1) { add(amount, ordering: .relaxed) }
}
