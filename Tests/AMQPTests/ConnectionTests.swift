import AMQP
import AMQPCodec
import ByteIO
import Testing

@Suite("Connections (AMQP 1.0 part 2 §2.4)")
struct ConnectionTests {
  @Test(
    "a client authenticates itself, and both sides open",
    arguments: ["ANONYMOUS", "EXTERNAL", "PLAIN", "MSSBCBS"],
    [1, 7, Int.max]
  )
  func opens(mechanism: String, pieceBytes: Int) {
    let login = SASLInit(mechanism: mechanism, response: [0, 0x61, 0, 0x62], hostname: nil)
    var pair = Pair(login)
    pair.pieceBytes = pieceBytes
    pair.run()
    #expect(
      pair.serverEvents == [
        .authenticating(login), .opened(container: "client", hostname: "hub.test"),
      ]
    )
    #expect(pair.clientEvents == [.opened(container: "hub", hostname: nil)])
  }

  @Test("a client whose credentials are refused hears of it, and the stream ends")
  func refusesLogin() {
    var pair = Pair()
    pair.acceptsLogins = false
    pair.run()
    #expect(pair.serverEvents.last == .closed(nil))
    #expect(copied(pair.server.isOver))
    guard case .closed(let error?)? = pair.clientEvents.last else {
      Issue.record("\(pair.clientEvents)")
      return
    }
    #expect(error.condition == AMQPError.framingError)
  }

  @Test("what the server sends has all fields that the stock clients index")
  func completeFrames() {
    var pair = Pair()
    pair.run()
    let text = Hex.encode(pair.toClient.bytes)
    // open with ten fields, begin with eight
    #expect(text.contains("005310c0"))
    let begin = text.ranges(of: "005311c0").first
    #expect(begin != nil)
    if let begin { #expect(text[begin.upperBound...].dropFirst(2).prefix(2) == "08") }
  }

  @Test("a close is answered, and told once, with its error")
  func closes() {
    var pair = Pair()
    pair.run()
    pair.server.close(AMQPError(AMQPError.connectionForced, "stopping", info: ["a": .int(1)]))
    pair.run()
    #expect(
      pair.clientEvents.last
        == .closed(AMQPError(AMQPError.connectionForced, "stopping", info: ["a": .int(1)]))
    )
    #expect(pair.serverEvents.last == .closed(nil))
    #expect(pair.serverEvents.count { $0 == .closed(nil) } == 1)
    #expect(copied(pair.server.isOver))
    #expect(copied(pair.client.isOver))
  }

  @Test("the stream's end ends the connection in every phase", arguments: [0, 8, 40, 1_000])
  func streamEnds(after count: Int) {
    var pair = Pair()
    pair.run()
    let sent = Array(pair.toServer.bytes.prefix(count))
    var server = AMQPConnection(containerID: "hub")
    server.receive(sent)
    for case .authenticating in server.nextEvents() { server.judged(isAccepted: true) }
    server.streamEnded()
    let events = server.nextEvents()
    #expect(events.count { if case .closed = $0 { true } else { false } } == 1)
    #expect(copied(server.isOver))
  }

  @Test("a silent peer is given up after the idle time-out, a talking one never")
  func idleTimeOut() {
    var limits = AMQPConnectionLimits()
    limits.idleMilliseconds = 10_000
    var pair = Pair(serverLimits: limits)
    pair.run()
    var now: UInt64 = 1_000
    for _ in 0..<20 {
      _ = pair.client.tick(now: now)
      let next = pair.server.tick(now: now)
      #expect(next.map { $0 > now } == true)
      pair.run()
      now += 2_000
    }
    #expect(copied(pair.server.isOver) == false)
    var silent = false
    for _ in 0..<20 where !silent {
      now += 2_000
      _ = pair.server.tick(now: now)
      for case .closed(let error) in pair.server.nextEvents() {
        #expect(error?.condition == AMQPError.resourceLimitExceeded)
        silent = true
      }
    }
    #expect(silent)
  }

  @Test("too many sessions are turned away, the first ones live on")
  func sessionLimit() {
    var limits = AMQPConnectionLimits()
    limits.sessions = 2
    var server = AMQPConnection(containerID: "hub", limits: limits)
    var input = Stream.start
    for channel in UInt8(0)..<5 { input += Stream.begin(channel: channel) }
    server.receive(input)
    for case .authenticating in server.nextEvents() { server.judged(isAccepted: true) }
    var output = ByteWriter()
    server.write(to: &output)
    // Either the engine ends the connection for a channel beyond the agreed ones, or we the session.
    let text = Hex.encode(output.bytes)
    #expect(text.contains("005317") || text.contains("005318"))
  }
}

/// Frames as a client writes them, to be put together by hand.
enum Stream {
  /// Header, login and open.
  static var start: [UInt8] {
    var pair = Pair()
    pair.run()
    let sent = pair.toServer.bytes
    // Up to the begin that the client opens with.
    guard let begin = Hex.encode(sent).ranges(of: "005311").first else { return [] }
    let text = Hex.encode(sent)
    let offset = text.distance(from: text.startIndex, to: begin.lowerBound) / 2
    return Array(sent[..<(offset - 8)])
  }

  static func frame(channel: UInt8 = 0, _ body: [UInt8]) -> [UInt8] {
    let size = body.count + 8
    return [0, 0, UInt8(size >> 8), UInt8(size & 255), 2, 0, 0, channel] + body
  }

  static func list(_ code: UInt8, _ fields: [AMQPValue]) -> [UInt8] {
    var writer = AMQPWriter()
    writer.descriptor(code)
    writer.list(fields)
    return writer.bytes
  }

  static func begin(channel: UInt8 = 0) -> [UInt8] {
    frame(channel: channel, list(0x11, [.null, .uint(0), .uint(2_048), .uint(2_048)]))
  }

  /// A sender's attach when `isSender`, else a receiver's.
  static func attach(
    _ name: String,
    handle: UInt32,
    isSender: Bool,
    settleMode: UInt8 = 0
  ) -> [UInt8] {
    frame(
      list(
        0x12,
        [
          .string(name), .uint(handle), .boolean(!isSender), .null, .ubyte(settleMode),
          .described(descriptor: .ulong(0x28), .list([.string("s")])),
          .described(descriptor: .ulong(0x29), .list([.string("t")])), .null, .null,
          .uint(0), .null, .null, .array([.symbol("com.microsoft:georeplication")]), .null,
        ]
      )
    )
  }

  static func transfer(
    handle: UInt32 = 0,
    id: UInt32,
    isSettled: Bool = false,
    format: UInt32 = 0,
    hasMore: Bool = false,
    _ payload: [UInt8] = [1]
  ) -> [UInt8] {
    frame(
      list(
        0x14,
        [
          .uint(handle), .uint(id), .binary([UInt8(truncatingIfNeeded: id)]), .uint(format),
          .boolean(isSettled), .boolean(hasMore),
        ]
      ) + payload
    )
  }
}
