/// Where the parts of a PUBLISH lie (MQTT 3.1.1 §3.3).
public struct PublishLayout: BitwiseCopyable, Sendable, Equatable {
  @usableFromInline let topicField: FieldRange
  @usableFromInline let payloadField: FieldRange
  /// Packet identifier; 0 with QoS 0, never 0 otherwise [MQTT-2.3.1-1].
  public let packetIdentifier: UInt16
  /// Delivery guarantee.
  public let qos: QoS
  /// Whether the sender may have sent it before (§3.3.1.1).
  ///
  /// A hint for people: the receiver of a QoS 2 PUBLISH tells repetitions by the identifier.
  public let duplicate: Bool
  /// Whether it is to be kept, or was kept, for later subscribers (§3.3.1.3).
  public let retain: Bool

  @inlinable
  init(
    topic: FieldRange,
    payload: FieldRange,
    packetIdentifier: UInt16,
    qos: QoS,
    duplicate: Bool,
    retain: Bool
  ) {
    self.topicField = topic
    self.payloadField = payload
    self.packetIdentifier = packetIdentifier
    self.qos = qos
    self.duplicate = duplicate
    self.retain = retain
  }

  /// The topic name: valid UTF-8, not empty, without wildcard and U+0000.
  @inlinable public var topic: Range<Int> { topicField.range }
  /// The message itself; may be empty.
  @inlinable public var payload: Range<Int> { payloadField.range }
}
