/// Whether the clock was stored since the connection upstream was made: not before that is known which
/// messages are over their time.
///
/// A store that was begun for an earlier connection may end behind the next one's beginning, and
/// says nothing about that.
package struct ClockWitness: Sendable {
  /// Numbers the connections.
  private var last: UInt64 = 0
  /// Whether the clock was stored since the last connection was made.
  package private(set) var isStored = false

  package init() {}

  /// A connection was made.
  ///
  /// - Returns: What `stored` is told when the clock, which is stored from now on, is.
  package mutating func connected() -> UInt64 {
    last += 1
    isStored = false
    return last
  }

  /// The clock was stored for connection `number`.
  package mutating func stored(for number: UInt64) {
    if number == last { isStored = true }
  }
}
