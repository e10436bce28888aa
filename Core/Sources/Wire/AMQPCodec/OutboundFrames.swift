public import ByteIO

/// Completes the frames that the engine writes.
///
/// AMQP lets a sender leave out null fields at a list's end, and the engine does. The stock Python
/// client reads fields by position and breaks on a begin or transfer without all of them (contract
/// §8.5), so they are put back here.
public struct OutboundFrames: ~Copyable, Sendable {
  private var carried: [UInt8] = []
  private var hasHeader = false
  /// Whether transfers are completed too; off for a peer whose frames have no room to spare.
  public var completesTransfers = true

  /// Creates the completion of a stream that begins with the AMQP header.
  public init() {}

  /// Completes what the engine wrote next; the part of a frame that is not whole waits inside.
  public mutating func complete(_ bytes: Span<UInt8>, to sink: inout some ByteSink) {
    guard carried.isEmpty else {
      carried += bytes.array()
      let all = carried
      carried = []
      return pass(all.span, to: &sink)
    }
    pass(bytes, to: &sink)
  }

  private mutating func pass(_ bytes: Span<UInt8>, to sink: inout some ByteSink) {
    var position = 0
    if !hasHeader {
      guard bytes.count >= ProtocolHeader.byteCount else {
        carried = bytes.array()
        return
      }
      hasHeader = true
      position = ProtocolHeader.byteCount
      sink.append(bytes.extracting(0..<position))
    }
    while true {
      var reader = ByteReader(bytes)
      guard reader.skip(position), let size = reader.uint32(), size >= 8,
        Int(size) <= bytes.count - position
      else { break }
      let end = position + Int(size)
      frame(bytes.extracting(position..<end), to: &sink)
      position = end
    }
    if position < bytes.count { carried = bytes.extracting(position..<bytes.count).array() }
  }

  /// One whole frame, with its missing fields as nulls.
  private func frame(_ frame: Span<UInt8>, to sink: inout some ByteSink) {
    // Header of 8 bytes, then 00 53 code, then a short list: what the engine writes.
    guard frame.count > 13, frame[4] == 2, frame[5] == 0, frame[8] == 0, frame[9] == 0x53,
      let wanted = fieldCount(frame[10]), frame[11] == 0xC0
    else { return sink.append(frame) }
    let (listSize, count) = (frame[12], frame[13])
    let missing = UInt8(clamping: wanted - Int(count))
    let listEnd = 13 + Int(listSize)
    // A begin's handle-max is compared with a number: its default is written, not null.
    let handleMaximum: [UInt8] = [0x70, 0xFF, 0xFF, 0xFF, 0xFF]
    let tellsMaximum = frame[10] == 0x11 && count == 4
    let added = missing + (tellsMaximum ? UInt8(handleMaximum.count - 1) : 0)
    guard missing > 0, listSize > 0, listEnd <= frame.count, Int(listSize) + Int(added) <= 255
    else { return sink.append(frame) }
    sink.uint32(UInt32(truncatingIfNeeded: frame.count + Int(added)))
    sink.append(frame.extracting(4..<12))
    sink.uint8(listSize + added)
    sink.uint8(count + missing)
    sink.append(frame.extracting(14..<listEnd))
    if tellsMaximum { sink.append(handleMaximum) }
    for _ in (tellsMaximum ? 1 : 0)..<Int(missing) { sink.uint8(0x40) }
    sink.append(frame.extracting(listEnd..<frame.count))
  }

  private func fieldCount(_ code: UInt8) -> Int? {
    switch code {
    case 0x10: 10
    case 0x11: 8
    case 0x12: 14
    case 0x13: 11
    case 0x14: completesTransfers ? 11 : nil
    case 0x15: 6
    case 0x16: 3
    case 0x17, 0x18: 1
    default: nil
    }
  }
}
