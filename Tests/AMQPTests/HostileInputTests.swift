import AMQP
import AMQPCodec
import ByteIO
import Testing

@Suite("Hostile input (contract §12)")
struct HostileInputTests {
  /// All events of a server that gets these bytes, and what it says to them.
  private func feed(_ input: [UInt8], pieceBytes: Int = .max) -> (events: [AMQPEvent], isOver: Bool)
  {
    var server = AMQPConnection(containerID: "hub")
    var events: [AMQPEvent] = []
    var offset = 0
    while offset < input.count {
      let end = offset + min(pieceBytes, input.count - offset)
      server.receive(input.span.extracting(offset..<end))
      offset = end
      while true {
        let new = server.nextEvents()
        events += new
        if new.isEmpty { break }
        for event in new {
          switch event {
          case .authenticating: server.judged(isAccepted: true)
          case .attached(let id, _): server.accept(id, credit: 50)
          case .delivered(_, let delivery):
            server.settle(delivery.id, .accepted)
          default: break
          }
        }
      }
      var output = ByteWriter()
      server.write(to: &output)
    }
    return (events, server.isOver)
  }

  static let breaches: [(String, [UInt8])] = [
    ("no protocol", Array("GET / HTTP/1.1\r\n\r\n".utf8)),
    ("a frame that is too long", Stream.start + [0x7F, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0]),
    ("a frame shorter than its header", Stream.start + [0, 0, 0, 4, 2, 0, 0, 0]),
    ("no performative", Stream.start + Stream.frame([0x40])),
    ("an unknown performative", Stream.start + Stream.frame(Stream.list(0x77, []))),
    ("an attach without a session", Stream.start + Stream.attach("a", handle: 0, isSender: true)),
    ("a transfer without a link", Stream.start + Stream.begin() + Stream.transfer(id: 0)),
    ("a flow without a session", Stream.start + Stream.frame(Stream.list(0x13, [.uint(0)]))),
    ("an end without a session", Stream.start + Stream.frame(Stream.list(0x17, []))),
    (
      "a map that is cut", Stream.start + Stream.frame([0, 0x53, 0x10, 0xC1, 0x40, 2, 0xA1, 1])
    ),
    (
      "an attach nested without end",
      Stream.start + Stream.begin()
        + Stream.frame([0, 0x53, 0x12] + [UInt8](repeating: 0, count: 4_000))
    ),
  ]

  @Test("a breach of the protocol costs the connection", arguments: breaches.indices)
  func breach(index: Int) {
    let (what, input) = Self.breaches[index]
    for pieceBytes in [1, 5, Int.max] {
      let result = feed(input, pieceBytes: pieceBytes)
      let isClosed = result.events.contains { if case .closed = $0 { true } else { false } }
      #expect(isClosed, "\(what): \(result)")
    }
  }

  @Test("bytes of a good stream, cut, doubled and changed at random, do no harm")
  func mutations() {
    var pair = Pair()
    guard let (mine, _) = pair.link(isSender: true) else {
      Issue.record("no link")
      return
    }
    for number in UInt8(0)..<4 {
      pair.client.send(one, on: mine, tag: [number], isSettled: number > 1)
    }
    pair.run()
    let good = pair.toServer.bytes
    var random = SeededGenerator(seed: 7)
    for _ in 0..<2_000 {
      var input = good
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let place = Int.random(in: 0..<input.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: input[place] = UInt8.random(in: .min ... .max, using: &random)
        case 1: input[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: input.removeSubrange(place..<min(input.count, place + 3))
        default: input.insert(contentsOf: input[place...].prefix(20), at: place)
        }
      }
      _ = feed(input, pieceBytes: Int.random(in: 1...200, using: &random))
    }
  }

  @Test("an unauthenticated client can't make the server hold more than the limit")
  func unauthenticatedBytes() {
    var limits = AMQPConnectionLimits()
    limits.unauthenticatedBytes = 1_000
    var server = AMQPConnection(containerID: "hub", limits: limits)
    let start = Stream.start
    server.receive(start)
    let more = [UInt8](repeating: 0, count: 1_001)
    server.receive(more)
    #expect(copied(server.isOver))
  }
}
