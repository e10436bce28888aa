/// The 128-bit number by which a receiver knows a repeated message: system property
/// `edgeMessageId` (edge contract section 7).
///
/// Whoever takes messages in begins with a random value at each start and counts on from there.
public struct EdgeMessageID: Hashable, Sendable {
  /// The upper half.
  public let high: UInt64
  /// The lower half.
  public let low: UInt64

  /// Creates an identifier of its halves.
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The identifier `count` further on.
  public func advanced(by count: Int) -> EdgeMessageID {
    let (sum, carries) = low.addingReportingOverflow(UInt64(count))
    return EdgeMessageID(high: carries ? high &+ 1 : high, low: sum)
  }

  /// The text on the wire: 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12.
  public var text: String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(36)
    for digit in 0..<32 {
      if digit == 8 || digit == 12 || digit == 16 || digit == 20 {
        bytes.append(UInt8(ascii: "-"))
      }
      let half = digit < 16 ? high : low
      let nibble = UInt8(truncatingIfNeeded: half >> UInt64(60 - 4 * (digit & 15))) & 15
      bytes.append(nibble < 10 ? 0x30 + nibble : 0x57 + nibble)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
