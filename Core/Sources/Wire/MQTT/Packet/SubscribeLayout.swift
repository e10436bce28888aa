internal import ByteIO

/// One entry of a SUBSCRIBE, in place.
public struct SubscriptionLayout: Sendable, Equatable {
  /// A valid topic filter.
  public let filter: Range<Int>
  /// The most that the client wants (§3.8.3).
  public let requested: QoS
}

/// Where the parts of a SUBSCRIBE lie (MQTT 3.1.1 §3.8).
public struct SubscribeLayout: BitwiseCopyable, Sendable, Equatable {
  /// Packet identifier, never 0.
  public let packetIdentifier: UInt16
  /// Number of entries, at least 1; the SUBACK needs as many return codes [MQTT-3.8.4-5].
  public let count: Int
  let entries: FieldRange

  /// Walks the entries in their order.
  ///
  /// `bytes` must be the span that was decoded.
  public func forEach(in bytes: Span<UInt8>, _ body: (SubscriptionLayout) -> Void) {
    var position = entries.range.lowerBound
    for _ in 0..<count {
      guard let length = bytes.uint16(at: position) else { return }
      let end = position + 2 + Int(length)
      guard end < bytes.count, let qos = QoS(rawValue: bytes[end] & 3) else { return }
      body(SubscriptionLayout(filter: position + 2..<end, requested: qos))
      position = end + 1
    }
  }

  /// The entries as an array.
  ///
  /// `bytes` must be the span that was decoded.
  public func entries(in bytes: Span<UInt8>) -> [SubscriptionLayout] {
    var list: [SubscriptionLayout] = []
    list.reserveCapacity(count)
    forEach(in: bytes) { list.append($0) }
    return list
  }
}

/// Where the parts of an UNSUBSCRIBE lie (MQTT 3.1.1 §3.10).
public struct UnsubscribeLayout: BitwiseCopyable, Sendable, Equatable {
  /// Packet identifier, never 0.
  public let packetIdentifier: UInt16
  /// Number of filters, at least 1.
  public let count: Int
  let entries: FieldRange

  /// Walks the filters in their order.
  ///
  /// `bytes` must be the span that was decoded.
  public func forEach(in bytes: Span<UInt8>, _ body: (Range<Int>) -> Void) {
    var position = entries.range.lowerBound
    for _ in 0..<count {
      guard let length = bytes.uint16(at: position) else { return }
      let end = position + 2 + Int(length)
      guard end <= bytes.count else { return }
      body(position + 2..<end)
      position = end
    }
  }

  /// The filters as an array.
  ///
  /// `bytes` must be the span that was decoded.
  public func filters(in bytes: Span<UInt8>) -> [Range<Int>] {
    var list: [Range<Int>] = []
    list.reserveCapacity(count)
    forEach(in: bytes) { list.append($0) }
    return list
  }
}

/// Where the parts of a SUBACK lie (MQTT 3.1.1 §3.9).
public struct SubackLayout: BitwiseCopyable, Sendable, Equatable {
  /// Packet identifier of the SUBSCRIBE, never 0.
  public let packetIdentifier: UInt16
  let codes: FieldRange

  /// The return codes, one byte each, all of them valid raw values of `SubscribeReturnCode`.
  public var returnCodes: Range<Int> { codes.range }

  /// The return codes as an array.
  ///
  /// `bytes` must be the span that was decoded.
  public func returnCodes(in bytes: Span<UInt8>) -> [SubscribeReturnCode] {
    var list: [SubscribeReturnCode] = []
    guard returnCodes.upperBound <= bytes.count else { return list }
    list.reserveCapacity(returnCodes.count)
    for index in returnCodes {
      if let code = SubscribeReturnCode(rawValue: bytes[index]) { list.append(code) }
    }
    return list
  }
}
