/// Where a field of a packet lies, in half the room of a `Range<Int>`.
///
/// A packet has at most 268 435 460 bytes, so 32 bits would do by far; the decoder refuses spans in
/// which a packet ends beyond them.
@usableFromInline
struct FieldRange: BitwiseCopyable, Sendable, Equatable {
  @usableFromInline var start: UInt32
  @usableFromInline var count: UInt32

  @inlinable
  init(start: Int, count: Int) {
    self.start = UInt32(truncatingIfNeeded: start)
    self.count = UInt32(truncatingIfNeeded: count)
  }

  @usableFromInline static let empty = FieldRange(start: 0, count: 0)

  @inlinable
  var range: Range<Int> {
    let first = Int(truncatingIfNeeded: start)
    return first..<(first + Int(truncatingIfNeeded: count))
  }
}
