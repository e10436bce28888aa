import AMQPCodec
import ByteIO
import Testing

private let mechanisms = ["ANONYMOUS", "EXTERNAL", "PLAIN", "MSSBCBS"]
private let header = "414d515003010000"
private let amqpHeader = "414d515000010000"
/// `sasl-init` with mechanism ANONYMOUS and an empty response, as the stock Python client sends it.
private let anonymous = sasl("41", 3, "a309 414e4f4e594d4f5553 a000 40")

/// A SASL frame in hex: a list of `count` fields.
private func sasl(_ code: String, _ count: UInt8, _ fields: String) -> String {
  let list = bytes(fields)
  let body = [0, 0x53] + bytes(code) + [0xC0, UInt8(list.count + 1), count] + list
  return Hex.encode([0, 0, 0, UInt8(body.count + 8), 2, 1, 0, 0] + body)
}

@Suite("SASL layer of the server (AMQP 1.0 part 5 §5.3)")
struct SASLServerTests {
  private func feed(
    _ server: inout SASLServer,
    _ data: [UInt8],
    from position: inout Int
  ) -> SASLServer.Action {
    server.receive(data.span, from: &position)
  }

  @Test("offers its mechanisms as an array, judges, and hands over to AMQP")
  func anonymousClient() {
    var server = SASLServer(mechanisms: mechanisms)
    let data = bytes(header + anonymous + amqpHeader)
    var position = 0
    #expect(
      feed(&server, data, from: &position)
        == .authenticate(SASLInit(mechanism: "ANONYMOUS"))
    )
    let offer = server.takeOutput()
    #expect(Hex.encode(offer.prefix(8)) == header)
    #expect(Array(offer[8...]).contains(0xF0))
    #expect(feed(&server, data, from: &position) == .wait)
    server.judged(isAccepted: true)
    #expect(Hex.encode(server.takeOutput()).contains("005344"))
    #expect(feed(&server, data, from: &position) == .proceed(withoutSASL: false))
    #expect(position == data.count - 8)
  }

  @Test("waits for whole frames, whatever the pieces")
  func pieces() {
    var server = SASLServer(mechanisms: mechanisms)
    let data = bytes(header + anonymous)
    var position = 0
    for count in data.indices {
      #expect(feed(&server, Array(data[..<count]), from: &position) == .wait)
    }
    #expect(
      feed(&server, data, from: &position) == .authenticate(SASLInit(mechanism: "ANONYMOUS"))
    )
  }

  @Test("a client may do without SASL")
  func withoutSASL() {
    var server = SASLServer(mechanisms: mechanisms)
    var position = 0
    #expect(feed(&server, bytes(amqpHeader), from: &position) == .proceed(withoutSASL: true))
    #expect(position == 0)
  }

  @Test("PLAIN without a first response is asked for it")
  func plainChallenge() {
    var server = SASLServer(mechanisms: mechanisms)
    var position = 0
    let start = bytes(header + sasl("41", 3, "a305 504c41494e 40 40"))
    #expect(feed(&server, start, from: &position) == .wait)
    #expect(Hex.encode(server.takeOutput()).contains("005342"))
    let answer = bytes(sasl("43", 1, "a004 00610062"))
    position = 0
    guard case .authenticate(let begin) = feed(&server, answer, from: &position) else {
      Issue.record("not judged")
      return
    }
    #expect(begin.plain?.userName == "a")
    #expect(begin.plain?.password == [0x62])
  }

  @Test("a refused client hears of it, and nothing more is taken")
  func refusal() {
    var server = SASLServer(mechanisms: mechanisms)
    var position = 0
    let data = bytes(header + anonymous + amqpHeader)
    _ = feed(&server, data, from: &position)
    _ = server.takeOutput()
    server.judged(isAccepted: false)
    #expect(Hex.encode(server.takeOutput()).contains("005344d000000007000000025001"))
    #expect(feed(&server, data, from: &position) == .close(.unexpectedFrame))
  }

  static let refusals: [(String, AMQPFault)] = [
    ("474554202f204854", .protocolHeader), ("414d515002010000", .protocolHeader),
    (header + "00000007", .frameSize(7)), (header + "00100000", .frameSize(1 << 20)),
    (header + "00000009 01010000 40", .frameSize(9)),
    (header + "00000009 02000000 40", .unexpectedFrame),
    (header + "0000000c 02010000 00534045", .unexpectedFrame),
    (header + "0000000c 02010000 00534145", .unexpectedFrame),
    (header + sasl("41", 1, "a303 313233"), .unexpectedFrame),
  ]

  @Test("what does not belong here ends the connection", arguments: refusals.indices)
  func refuses(index: Int) {
    let (hex, fault) = Self.refusals[index]
    var server = SASLServer(mechanisms: mechanisms)
    var position = 0
    #expect(feed(&server, bytes(hex), from: &position) == .close(fault))
  }

  @Test("PLAIN's response has a user name")
  func plain() {
    #expect(SASLInit(mechanism: "PLAIN", response: [0, 0x61, 0, 0x62]).plain?.password == [0x62])
    #expect(SASLInit(mechanism: "PLAIN", response: [0, 0, 0x62]).plain == nil)
    #expect(SASLInit(mechanism: "PLAIN", response: [0x61]).plain == nil)
    #expect(SASLInit(mechanism: "PLAIN", response: [0, 0xFF, 0, 0x62]).plain == nil)
  }
}

@Suite("SASL layer of the client (AMQP 1.0 part 5 §5.3)")
struct SASLClientTests {
  @Test("the two sides agree", arguments: ["ANONYMOUS", "EXTERNAL", "PLAIN"])
  func agreement(mechanism: String) {
    var server = SASLServer(mechanisms: mechanisms)
    var client = SASLClient(SASLInit(mechanism: mechanism, response: [0, 0x61, 0, 0x62]))
    var (toServer, toClient) = ([UInt8](), [UInt8]())
    var (read, heard) = (0, 0)
    var result = SASLClient.Action.wait
    for _ in 0..<6 {
      toServer += client.takeOutput()
      if case .authenticate(let begin) = server.receive(toServer.span, from: &read) {
        #expect(begin.mechanism == mechanism)
        server.judged(isAccepted: true)
      }
      toClient += server.takeOutput()
      result = client.receive(toClient.span, from: &heard)
    }
    #expect(result == .proceed)
  }

  @Test("a mechanism that is not offered, and an outcome that is not ok, end it")
  func refusals() {
    var client = SASLClient(SASLInit(mechanism: "OTHER"))
    var server = SASLServer(mechanisms: mechanisms)
    var position = 0
    let sent = client.takeOutput()
    _ = server.receive(sent.span, from: &position)
    let offer = server.takeOutput()
    position = 0
    #expect(client.receive(offer.span, from: &position) == .close(.unexpectedFrame))
  }
}
