/// A message that a client received.
package struct ClientMessage: Sendable {
  /// The topic's bytes.
  package let topic: [UInt8]
  /// The message itself.
  package let payload: [UInt8]
  /// What the acknowledgement needs; 0 for a message that takes none.
  let packetIdentifier: UInt16
}
