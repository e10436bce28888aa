internal import ByteIO

/// How an edge hub settles a message of a child, by the part of its topic behind the child's prefix.
public struct ChildSettlement: Equatable, Sendable {
  /// What becomes of the message.
  public enum Outcome: String, Sendable, CaseIterable {
    /// The child has it.
    case complete
    /// It goes back to the queue.
    case abandon
    /// The child refuses it: it is not sent again.
    case reject
  }

  /// The message's lock.
  public let lock: [UInt8]
  /// What becomes of it.
  public let outcome: Outcome

  /// Creates a settlement.
  public init(lock: [UInt8], outcome: Outcome) {
    self.lock = lock
    self.outcome = outcome
  }

  /// Reads the part of a topic behind the prefix; nil if it is none of this kind.
  public init?(_ topic: Span<UInt8>) {
    guard let (lock, start) = ChildDeliveryTopic.lock(topic) else { return nil }
    let word = String(decoding: topic.extracting(start...).array(), as: UTF8.self)
    guard let outcome = Outcome(rawValue: word) else { return nil }
    self.init(lock: lock, outcome: outcome)
  }

  /// The part of a topic behind the prefix.
  public var topic: [UInt8] {
    [UInt8]("devicebound/\(Hex.encode(lock))/\(outcome.rawValue)".utf8)
  }
}
