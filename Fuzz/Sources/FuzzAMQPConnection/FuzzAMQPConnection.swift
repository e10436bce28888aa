import AMQP
import AMQPCodec
import ByteIO

/// Any bytes, in any pieces, to a server's connection with its engine, whose driver does what the
/// events ask for.
///
/// The first byte chooses the pieces, and whether the stream is taken from behind its login, where
/// most of the rules are.
@c(LLVMFuzzerTestOneInput)
public func fuzzAMQPConnection(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = Array(UnsafeBufferPointer(start: start, count: count))
  guard let first = input.first else { return 0 }
  var limits = AMQPConnectionLimits()
  limits.sessions = 4
  limits.links = 8
  limits.messageBytes = 16_384
  limits.frameBytes = 4_096
  var driver = Driver(connection: AMQPConnection(containerID: "hub", limits: limits))
  if first & 1 == 1 { driver.receive([0x41, 0x4D, 0x51, 0x50, 0, 1, 0, 0]) }
  let pieceBytes = (Int(first) >> 1) * 8 + 1
  var offset = 1
  while offset < input.count {
    let end = min(offset + pieceBytes, input.count)
    driver.receive(Array(input[offset..<end]))
    offset = end
  }
  driver.connection.streamEnded()
  driver.act()
  precondition(driver.closings == 1, "the end told \(driver.closings) times")
  precondition(driver.connection.isOver)
  return 0
}

/// Takes every link, answers every message, sends while there is credit.
struct Driver: ~Copyable {
  var connection: AMQPConnection
  var node = RequestNode()
  var closings = 0
  var now: UInt64 = 1
  var links: Set<LinkID> = []

  init(connection: consuming AMQPConnection) { self.connection = connection }

  mutating func receive(_ bytes: [UInt8]) {
    connection.receive(bytes.span)
    act()
    now += 1_000
    _ = connection.tick(now: now)
    var output = ByteWriter()
    connection.write(to: &output, limit: 1 << 20)
  }

  mutating func act() {
    while true {
      let events = connection.nextEvents()
      if events.isEmpty { return }
      for event in events { act(event) }
    }
  }

  private mutating func act(_ event: AMQPEvent) {
    switch event {
    case .authenticating: connection.judged(isAccepted: true)
    case .opened: break
    case .attached(let id, let attach):
      precondition(links.insert(id).inserted, "a link twice")
      precondition(links.count <= 9)
      if attach.address == "$cbs" {
        node.attached(id, attach, on: &connection)
      } else if attach.address == nil {
        connection.refuse(id, AMQPError(AMQPError.notFound, "no address"))
      } else {
        connection.accept(id, credit: 8, isPresettled: attach.isPresettled)
      }
    case .delivered(let id, let delivery):
      precondition(links.contains(id))
      precondition(delivery.message.count <= 16_384)
      if let request = node.delivered(delivery, on: &connection) {
        node.answer(request, with: NodeAnswer.make(200, "OK"), on: &connection)
      }
    case .credited(let id):
      var number: UInt8 = 0
      while connection.credit(of: id) > 0, number < 4 {
        let message = AMQPMessage(body: .data([[number]])).encoded
        connection.send(message.span, on: id, tag: [number], isSettled: number & 1 == 0)
        number += 1
      }
      if connection.isDraining(id) { connection.drained(id) }
    case .settled(let id, _, _): precondition(links.contains(id))
    case .detached(let id, _):
      precondition(links.remove(id) != nil, "an unknown link is gone")
      node.detached(id)
    case .closed: closings += 1
    }
  }
}
