/// Some PUBACKs and PUBRECs, each as the four bytes that it is.
///
/// They cross the border to the driver's sink in handfuls, because a machine's state is taken out
/// and put back once a call.
@usableFromInline
struct Answers: BitwiseCopyable {
  @usableFromInline var packets: [16 of UInt32] = .init(repeating: 0)
  @usableFromInline var count = 0

  init() {}

  @usableFromInline static var capacity: Int { 16 }

  @inlinable var isFull: Bool { count == Answers.capacity }

  /// Adds one; there must be room.
  @inline(__always)
  mutating func append(_ packet: UInt32) {
    packets[count] = packet
    count += 1
  }
}
