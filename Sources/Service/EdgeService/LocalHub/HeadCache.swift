import ByteIO
import EdgeEngine
import Endpoints
import HubContract
import Platform

/// What was made of the heads of messages that left the store last: of all but body and identifier.
///
/// Senders repeat their heads. A head is found by its checksum among few, and compared whole.
struct HeadCache<Value> {
  private struct Slot {
    let head: [UInt8]
    let value: Value
  }

  private let checksum = Machine.crc32c()
  /// By the checksum's last bits; of two heads with the same ones, the later is kept.
  private var slots: [Slot?] = Array(repeating: nil, count: slotCount)

  /// Longer heads are made anew each time.
  private static var headLimit: Int { 1_024 }
  /// A power of two.
  private static var slotCount: Int { 64 }

  /// The value of the head of `message`, nil if it is not kept.
  ///
  /// The identifier that an edge below has put at the end of the bag does not count.
  func value(of message: borrowing StoredMessage) -> Value? {
    let head = message.event.bytes.extracting(0..<Self.end(of: message.event))
    guard let slot = slots[index(of: head)] else { return nil }
    let known = slot.head
    return known.span.elementsEqual(head) ? slot.value : nil
  }

  /// Keeps `value`, which was made of the head of `message` alone.
  mutating func keep(_ value: Value, of message: borrowing StoredMessage) {
    let head = message.event.bytes.extracting(0..<Self.end(of: message.event))
    guard head.count <= Self.headLimit else { return }
    slots[index(of: head)] = Slot(head: head.array(), value: value)
  }

  private func index(of head: Span<UInt8>) -> Int {
    Int(checksum.checksum(head)) & (Self.slotCount - 1)
  }

  private static func end(of event: borrowing EventView) -> Int {
    guard let mark = Endpoints.EdgeMessageID.start(in: event.bag.bytes, from: 0) else {
      return event.bodyRange.lowerBound
    }
    return event.bagRange.lowerBound + mark
  }
}
