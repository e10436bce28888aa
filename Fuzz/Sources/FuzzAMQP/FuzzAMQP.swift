import AMQPCodec
import ByteIO

/// Any bytes as values, as a message, as a SASL layer's stream, and as frames in both directions.
@c(LLVMFuzzerTestOneInput)
public func fuzzAMQP(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = Array(UnsafeBufferPointer(start: start, count: count))
  guard let first = input.first else { return 0 }
  let bytes = Array(input.dropFirst())
  switch first & 3 {
  case 0: readValues(bytes)
  case 1: readMessage(bytes)
  case 2: authenticate(bytes)
  default: passFrames(bytes, pieceBytes: Int(first >> 2) + 1)
  }
  return 0
}

/// A value that is read is written and read again as the same.
func readValues(_ bytes: [UInt8]) {
  var reader = AMQPReader(bytes.span)
  while !reader.isAtEnd, let value = try? reader.value() { checkRepetition(value) }
}

func checkRepetition(_ value: AMQPValue) {
  guard isWritable(value) else { return }
  var writer = AMQPWriter()
  writer.value(value)
  var again = AMQPReader(writer.bytes.span)
  // No number is like one that is none, so bytes are compared and not values.
  guard let repeated = try? again.value(), again.isAtEnd else {
    preconditionFailure("what was written can't be read: \(value)")
  }
  var second = AMQPWriter()
  second.value(repeated)
  precondition(second.bytes == writer.bytes, "another value")
}

/// Arrays of compounds and described values are read, and not written by us.
func isWritable(_ value: AMQPValue) -> Bool {
  switch value {
  case .array(let values):
    values.allSatisfy {
      switch $0 {
      case .list, .map, .array, .described, .null: false
      default: true
      }
    }
  case .list(let values): values.allSatisfy(isWritable)
  case .map(let map): map.pairs.allSatisfy { isWritable($0.key) && isWritable($0.value) }
  case .described(let descriptor, let value): isWritable(descriptor) && isWritable(value)
  default: true
  }
}

func readMessage(_ bytes: [UInt8]) {
  guard let message = try? AMQPMessage(bytes.span) else { return }
  _ = message.payload
  _ = message.properties.messageIDText
  let encoded = message.encoded
  guard encoded.count < 1 << 16,
    message.applicationProperties.pairs.allSatisfy({ isWritable($0.value) })
  else { return }
  precondition((try? AMQPMessage(encoded.span)) != nil || !isPlain(message), "not read again")
}

/// Whether all sections are ones that we write as they came.
func isPlain(_ message: AMQPMessage) -> Bool {
  let maps = [
    message.deliveryAnnotations, message.messageAnnotations, message.applicationProperties,
  ]
  guard maps.allSatisfy({ isWritable(.map($0)) }), message.header.allSatisfy(isWritable) else {
    return false
  }
  switch message.body {
  case .data: return true
  case .value(let value): return isWritable(value)
  case .sequences(let sequences): return sequences.allSatisfy { $0.allSatisfy(isWritable) }
  }
}

func authenticate(_ bytes: [UInt8]) {
  var server = SASLServer(mechanisms: ["ANONYMOUS", "PLAIN"])
  var position = 0
  while true {
    let before = position
    let action = server.receive(bytes.span, from: &position)
    precondition(position >= before && position <= bytes.count)
    _ = server.takeOutput()
    guard case .authenticate(let begin) = action else { break }
    _ = begin.plain
    server.judged(isAccepted: true)
  }
  var client = SASLClient(SASLInit(mechanism: "ANONYMOUS"))
  position = 0
  _ = client.receive(bytes.span, from: &position)
  precondition(position <= bytes.count)
}

/// Frames come out in both directions whole and in order, whatever the pieces.
func passFrames(_ bytes: [UInt8], pieceBytes: Int) {
  var inbound = InboundFrames(frameLimit: 4_096)
  var (inbox, position, given) = ([UInt8](), 0, 0)
  var offset = 0
  feeding: while offset < bytes.count {
    let end = min(offset + pieceBytes, bytes.count)
    inbox += bytes[offset..<end]
    offset = end
    while true {
      switch inbound.next(inbox.span, from: &position) {
      case .wait: continue feeding
      case .bytes(let range): given += range.count
      case .open(let frame, _), .attach(let frame, _, _): given += frame.count
      case .fault: break feeding
      }
      precondition(given == position, "bytes lost or doubled")
    }
  }
  _ = inbound.takeBatchTags()
  var whole = OutboundFrames()
  var pieces = OutboundFrames()
  var (first, second) = (ByteWriter(), ByteWriter())
  whole.complete(bytes.span, to: &first)
  offset = 0
  while offset < bytes.count {
    let end = min(offset + pieceBytes, bytes.count)
    pieces.complete(bytes.span.extracting(offset..<end), to: &second)
    offset = end
  }
  precondition(first.bytes == second.bytes, "pieces make a difference")
}
