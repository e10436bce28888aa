/// Received QoS 1 and 2 messages that the driver has not acknowledged, in order of arrival.
///
/// Answers leave in that order, whatever the order in which the messages become durable
/// [MQTT-4.6.0-2] [MQTT-4.6.0-3].
struct InboundWindow {
  struct Entry: BitwiseCopyable {
    let packetIdentifier: UInt16
    let isExactlyOnce: Bool
    var isAcknowledged: Bool
  }

  private var ring = Ring<Entry>()

  var count: Int { ring.count }

  @inline(__always)
  mutating func append(_ packetIdentifier: UInt16, _ qos: QoS) {
    ring.append(
      Entry(
        packetIdentifier: packetIdentifier,
        isExactlyOnce: qos == .exactlyOnce,
        isAcknowledged: false
      )
    )
  }

  func containsExactlyOnce(_ packetIdentifier: UInt16) -> Bool {
    for index in 0..<ring.count {
      let entry = ring[index]
      if entry.isExactlyOnce, entry.packetIdentifier == packetIdentifier { return true }
    }
    return false
  }

  /// Marks the oldest waiting entry with this identifier; false if there is none.
  mutating func acknowledge(_ packetIdentifier: UInt16) -> Bool {
    for index in 0..<ring.count
    where ring[index].packetIdentifier == packetIdentifier && !ring[index].isAcknowledged {
      ring[index].isAcknowledged = true
      return true
    }
    return false
  }

  /// Marks the `wanted` oldest waiting entries; false if there are fewer.
  mutating func acknowledgeOldest(_ wanted: Int) -> Bool {
    var left = wanted
    var index = 0
    while left > 0, index < ring.count {
      if !ring[index].isAcknowledged {
        ring[index].isAcknowledged = true
        left -= 1
      }
      index += 1
    }
    return left <= 0
  }

  /// Takes the oldest entry if it may be answered.
  @inline(__always)
  mutating func popAcknowledged() -> Entry? {
    guard !ring.isEmpty, ring[0].isAcknowledged else { return nil }
    return ring.removeFirst()
  }
}
