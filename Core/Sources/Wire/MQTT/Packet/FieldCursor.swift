internal import ByteIO

/// Walks the fields of one packet and refuses to leave it.
struct FieldCursor {
  private(set) var position: Int
  /// Index behind the packet's last byte; the packet lies inside the span.
  let end: Int

  init(position: Int, end: Int) {
    self.position = position
    self.end = end
  }

  var isAtEnd: Bool { position == end }

  @inline(__always)
  mutating func uint8(_ bytes: Span<UInt8>) throws(MQTTFault) -> UInt8 {
    guard position < end else { throw .truncatedField }
    defer { position += 1 }
    return bytes[position]
  }

  @inline(__always)
  mutating func uint16(_ bytes: Span<UInt8>) throws(MQTTFault) -> UInt16 {
    guard end - position >= 2 else { throw .truncatedField }
    defer { position += 2 }
    return UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
  }

  @inline(__always)
  mutating func packetIdentifier(_ bytes: Span<UInt8>) throws(MQTTFault) -> UInt16 {
    let identifier = try uint16(bytes)
    guard identifier != 0 else { throw .zeroPacketIdentifier }
    return identifier
  }

  /// Two bytes of length, and as many bytes (§1.5.3).
  @inline(__always)
  mutating func lengthPrefixed(_ bytes: Span<UInt8>) throws(MQTTFault) -> FieldRange {
    let count = Int(try uint16(bytes))
    guard end - position >= count else { throw .truncatedField }
    defer { position += count }
    return FieldRange(start: position, count: count)
  }

  /// A length-prefixed field that must be text.
  mutating func text(_ bytes: Span<UInt8>) throws(MQTTFault) -> FieldRange {
    let field = try lengthPrefixed(bytes)
    try Topic.checkText(bytes.extracting(field.range))
    return field
  }

  /// Everything up to the packet's end.
  @inline(__always)
  mutating func rest() -> FieldRange {
    defer { position = end }
    return FieldRange(start: position, count: end - position)
  }

  func finish() throws(MQTTFault) {
    guard position == end else { throw .trailingBytes }
  }
}
