/// What makes a bag unacceptable.
public enum PropertyFault: Error, Equatable, Sendable {
  /// The message ID has this many bytes, more than 128 (contract §3.4).
  case messageIDTooLong(Int)
  /// Body, values of system properties and application properties have this many bytes together,
  /// more than allowed (contract §3.4).
  case messageTooLarge(Int)
}

extension PropertyBag {
  /// The most bytes of a message ID.
  public static let messageIDLimit = 128

  /// The bytes of this bag that count towards a message's size: values of system properties, names
  /// and values of application properties, all decoded (contract §3.4).
  public var countedBytes: Int {
    var count = 0
    var iterator = makeIterator()
    while let entry = iterator.next() {
      if let value = entry.value { count += PercentCursor.decodedCount(bytes.extracting(value)) }
      if systemProperty(of: entry) == nil {
        count += PercentCursor.decodedCount(bytes.extracting(entry.key))
      }
    }
    return count
  }

  /// Checks the size of the message with a body of `bodyBytes`, and the bag's own limits.
  ///
  /// Decoding never makes text longer, so a small message is accepted without counting.
  public func check(bodyBytes: Int, limit: Int) throws(PropertyFault) {
    if bodyBytes > limit || bytes.count > limit - bodyBytes {
      let (size, overflow) = countedBytes.addingReportingOverflow(bodyBytes)
      if overflow || size > limit { throw .messageTooLarge(overflow ? .max : size) }
    }
    guard bytes.count > Self.messageIDLimit else { return }
    var iterator = makeIterator()
    while let entry = iterator.next() {
      guard let value = entry.value, value.count > Self.messageIDLimit,
        systemProperty(of: entry) == .messageID
      else { continue }
      let count = PercentCursor.decodedCount(bytes.extracting(value))
      if count > Self.messageIDLimit { throw .messageIDTooLong(count) }
    }
  }
}
