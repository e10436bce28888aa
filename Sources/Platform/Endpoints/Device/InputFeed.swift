/// What routes bring to the inputs of one connected module (edge contract section 5.3).
///
/// Confined to the connection's event loop. What is taken and not settled when the feed is closed is
/// given again to the next one.
package protocol InputFeed: AnyObject {
  /// Visits one message: the number that settles it, from 1 on; its input's name, as a level of a
  /// topic; its property bag with the sender's names; its body.
  typealias Visit = (
    _ delivery: UInt64, _ input: Span<UInt8>, _ bag: Span<UInt8>, _ body: Span<UInt8>
  ) -> Void

  /// Visits the next messages, `limit` at most; answers how many there were.
  ///
  /// Who gets fewer than the limit is told through `DeviceHandle.inputsWait` when there are more.
  func take(limit: Int, _ visit: Visit) -> Int
  /// The module has the message.
  func settled(_ delivery: UInt64)
  /// Nothing is taken any more.
  func close()
}
