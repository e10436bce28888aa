import ByteIO
import MQTT

/// Any bytes, in any pieces, through the decoder and both connection machines.
///
/// The first four bytes of the input choose how the driver behaves, the rest is what a peer sends.
@c(LLVMFuzzerTestOneInput)
public func fuzzMQTT(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = Array(UnsafeBufferPointer(start: start, count: count))
  guard input.count > 4 else { return 0 }
  let bytes = Array(input[4...])
  decodeWhole(bytes)
  let behaviour = Behaviour(input)
  var server = FuzzedServer(behaviour)
  server.feed(bytes)
  var client = FuzzedClient(behaviour)
  client.feed(bytes)
  return 0
}

/// How the driver behaves.
struct Behaviour {
  /// Bytes that arrive at once.
  let pieceBytes: Int
  /// Acknowledges a message right away, else when the machine no longer receives.
  let acknowledgesAtOnce: Bool
  /// Acknowledges by identifier, else by count.
  let acknowledgesByIdentifier: Bool
  let accepts: Bool
  let maximumQoS: QoS
  let limit: UInt16
  /// Milliseconds between two pieces.
  let pause: UInt64

  init(_ input: [UInt8]) {
    pieceBytes = Int(input[0]) + 1
    acknowledgesAtOnce = input[1] & 1 != 0
    acknowledgesByIdentifier = input[1] & 2 != 0
    accepts = input[1] & 4 == 0
    maximumQoS = QoS(rawValue: input[2] & 3) ?? .exactlyOnce
    limit = UInt16(input[2] >> 2) + 1
    pause = UInt64(input[3])
  }
}

/// Lays out packet after packet: each lies inside the bytes, and none is seen before it is whole.
func decodeWhole(_ bytes: [UInt8]) {
  var position = 0
  while let frame = try? PacketDecoder.next(bytes.span, from: position, maximumLength: 4_096) {
    precondition(frame.length >= 2 && frame.length <= bytes.count - position, "no progress")
    check(frame.layout, within: position..<position + frame.length)
    let packet = Array(bytes[position..<position + frame.length])
    let short = Array(packet.dropLast())
    precondition(
      (try? PacketDecoder.next(short.span, maximumLength: 4_096)) == .some(nil),
      "a part of a good packet was taken or refused"
    )
    checkRepetition(packet)
    position += frame.length
  }
}

/// A PUBLISH that is encoded again is the same packet, but for needless bytes of its length.
func checkRepetition(_ packet: [UInt8]) {
  guard let frame = try? PacketDecoder.next(packet.span, maximumLength: 4_096),
    case .publish(let layout) = frame.layout
  else { return }
  var writer = ByteWriter()
  try? PacketEncoder.publish(
    topic: packet.span.extracting(layout.topic),
    payload: packet.span.extracting(layout.payload),
    qos: layout.qos,
    retain: layout.retain,
    duplicate: layout.duplicate,
    packetIdentifier: layout.packetIdentifier,
    to: &writer
  )
  precondition(writer.bytes[0] == packet[0], "another header")
  let opening = writer.count - packet.count
  precondition(opening <= 0, "longer than what was decoded")
  precondition(
    writer.bytes.suffix(layout.payload.upperBound - layout.topic.lowerBound + 2)
      == packet.suffix(layout.payload.upperBound - layout.topic.lowerBound + 2),
    "another body"
  )
}

func check(_ layout: PacketLayout, within range: Range<Int>) {
  func inside(_ field: Range<Int>?) {
    guard let field else { return }
    precondition(field.lowerBound >= range.lowerBound && field.upperBound <= range.upperBound)
  }
  switch layout {
  case .connect(let connect):
    inside(connect.clientIdentifier)
    inside(connect.userName)
    inside(connect.password)
    inside(connect.will?.topic)
    inside(connect.will?.payload)
  case .publish(let publish):
    inside(publish.topic)
    inside(publish.payload)
    precondition((publish.packetIdentifier == 0) == (publish.qos == .atMostOnce))
    precondition(!publish.topic.isEmpty)
  case .suback(let suback):
    inside(suback.returnCodes)
  case .subscribe(let subscribe):
    precondition(subscribe.count > 0)
  case .unsubscribe(let unsubscribe):
    precondition(unsubscribe.count > 0)
  case .connack, .puback, .pubrec, .pubrel, .pubcomp, .unsuback, .pingreq, .pingresp, .disconnect:
    break
  }
}
