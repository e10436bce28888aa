import HubContract

/// Which of the log's events are in one event stream: the built-in one, or one that routing makes.
///
/// All streams are views of one log, so an event is kept once however many it is in, and a number that
/// is not in a stream is a gap there.
struct EventStreamView: Equatable, Sendable {
  /// The mark of its events.
  let destination: EventDestinations
  /// The number from which on the mark is this stream's, by partition; empty for the built-in one.
  ///
  /// Before it, the mark may be that of a stream that is gone.
  private let beginnings: [UInt64]

  /// The stream that every hub has.
  static let builtIn = EventStreamView(.events, beginnings: [])

  init(_ destination: EventDestinations, beginnings: [UInt64]) {
    self.destination = destination
    self.beginnings = beginnings
  }

  /// The number from which on events of `partition` can be in it.
  func beginning(of partition: UInt16) -> UInt64 {
    beginnings.indices.contains(Int(partition)) ? beginnings[Int(partition)] : 0
  }

  /// Whether an event that goes to `destinations` is in it.
  func holds(_ destinations: EventDestinations, sequence: UInt64, partition: UInt16) -> Bool {
    !destinations.isDisjoint(with: destination) && sequence >= beginning(of: partition)
  }
}
