import HubEngine

/// What became of events on their way to an endpoint, as somebody may want to know.
enum EndpointOutcome: Sendable {
  /// So many events are the endpoint's now.
  case took(Int)
  /// Something failed, and is tried again.
  case failed(String)
  /// So many events were given up, and are in the dead letters.
  case deadLettered(Int, EndpointDelivery.DeadLetterReason)
  /// So many numbers of a partition were gone before they were looked at: retention, or damage.
  case lost(UInt64, partition: UInt16)
}
