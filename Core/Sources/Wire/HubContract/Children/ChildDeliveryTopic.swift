internal import ByteIO

/// A cloud-to-device message of a child, by the part of its topic behind the child's prefix.
///
/// It carries the lock that settles it: a PUBACK has to wait for all that came before, and one slow
/// child would hold up the others.
public struct ChildDeliveryTopic: Equatable, Sendable {
  /// The lock.
  public let lock: [UInt8]
  /// Where the property bag begins.
  public let bagStart: Int

  /// The filter for such messages.
  public static let filter = "devicebound/#"

  /// Reads the part of a topic behind the prefix; nil if it is none of this kind.
  public init?(_ topic: Span<UInt8>) {
    guard let (lock, start) = Self.lock(topic) else { return nil }
    self.lock = lock
    bagStart = start
  }

  /// The part of a topic behind the prefix.
  public static func make(lock: [UInt8], bag: [UInt8]) -> [UInt8] {
    [UInt8]("devicebound/\(Hex.encode(lock))/".utf8) + bag
  }

  static func lock(_ topic: Span<UInt8>) -> (lock: [UInt8], end: Int)? {
    guard topic.starts(with: "devicebound/") else { return nil }
    var end = 12
    while end < topic.count, topic[end] != UInt8(ascii: "/") { end += 1 }
    guard end < topic.count, let lock = Hex.decode(topic.extracting(12..<end).array()) else {
      return nil
    }
    return (lock, end + 1)
  }
}
