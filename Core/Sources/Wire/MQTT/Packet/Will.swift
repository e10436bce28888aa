internal import ByteIO

/// A message that a server publishes when a client's connection ends without DISCONNECT (§3.1.2.5).
public struct Will: Sendable, Equatable {
  /// UTF-8 of a valid topic name.
  public let topic: [UInt8]
  /// The message; at most 65 535 bytes.
  public let payload: [UInt8]
  /// QoS to publish it with.
  public let qos: QoS
  /// Whether to publish it retained.
  public let retain: Bool

  /// Creates a will from its parts.
  public init(topic: [UInt8], payload: [UInt8], qos: QoS, retain: Bool = false) {
    self.topic = topic
    self.payload = payload
    self.qos = qos
    self.retain = retain
  }

  /// Copies the will that `layout` found in `bytes`.
  public init(_ layout: WillLayout, in bytes: Span<UInt8>) {
    self.init(
      topic: bytes.extracting(layout.topic).array(),
      payload: bytes.extracting(layout.payload).array(),
      qos: layout.qos,
      retain: layout.retain
    )
  }
}
