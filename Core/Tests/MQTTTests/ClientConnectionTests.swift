import ByteIO
import MQTT
import Testing

@Suite("A client's connection: every packet in every state (MQTT 3.1.1 §3, §4)")
struct ClientConnectionTests {
  static let early = "close connackExpected"
  static let packets: [(String, [UInt8], awaitingConnack: String, connected: String)] = [
    ("CONNECT", connect(), early, "close unexpectedPacket"),
    ("CONNACK", hex("20020000"), "connected false", "close unexpectedPacket"),
    (
      "CONNACK 5", hex("20020005"), "close refused(MQTT.ConnectReturnCode.notAuthorized)",
      "close unexpectedPacket"
    ),
    (
      "CONNACK present", hex("20020100"), "close sessionPresentAfterCleanSession",
      "close unexpectedPacket"
    ),
    ("PUBLISH 0", publish(.atMostOnce), early, "deliver 0"),
    ("PUBLISH 1", publish(.atLeastOnce, 9), early, "deliver 9"),
    ("PUBLISH 2", publish(.exactlyOnce, 9), early, "deliver 9"),
    ("PUBACK", hex("40020009"), early, "none"),
    ("PUBREC", hex("50020009"), early, "send pubrel(9)"),
    ("PUBREL", hex("62020009"), early, "send pubcomp(9)"),
    ("PUBCOMP", hex("70020009"), early, "none"),
    ("SUBSCRIBE", hex("8206 0001 0001 61 00"), early, "close unexpectedPacket"),
    ("SUBACK", hex("9003 0009 00"), early, "none"),
    ("UNSUBSCRIBE", hex("A205 0001 0001 61"), early, "close unexpectedPacket"),
    ("UNSUBACK", hex("B0020009"), early, "none"),
    ("PINGREQ", hex("C000"), early, "close unexpectedPacket"),
    ("PINGRESP", hex("D000"), early, "none"),
    ("DISCONNECT", hex("E000"), early, "close unexpectedPacket"),
    ("garbage", hex("F0"), "close reservedPacketType(15)", "close reservedPacketType(15)"),
  ]

  @Test("the table of packets")
  func table() throws {
    for (name, bytes, awaitingConnack, connected) in Self.packets {
      var peer = try ClientPeer()
      #expect(peer.receive(bytes).kind == awaitingConnack, "\(name) at first")
      peer = try .connected()
      #expect(peer.receive(bytes).kind == connected, "\(name) connected")
      peer = try .closing()
      #expect(peer.receive(bytes).kind == "wait", "\(name) closing")
      peer = try .closed()
      #expect(peer.receive(bytes).kind == "wait", "\(name) closed")
    }
  }

  @Test("the table of a driver's events")
  func events() throws {
    let states: [(String, () throws -> ClientPeer)] = [
      ("awaiting CONNACK", { try ClientPeer() }), ("closing", { try .closing() }),
      ("closed", { try .closed() }),
    ]
    for (name, make) in states {
      let peer = try make()
      let before = peer.nextDeadline
      peer.out.removeAll()
      peer.noteSent()
      #expect(peer.reserve(1) == nil, "\(name)")
      #expect(peer.reserveSubscribe(1, filterCount: 1) == nil, "\(name)")
      #expect(peer.reserveUnsubscribe(1) == nil, "\(name)")
      #expect(peer.timeout(now: peer.now) == .none, "\(name)")
      #expect(peer.nextDeadline == before, "\(name)")
      #expect(!peer.isConnected, "\(name)")
      #expect(!peer.disconnect(), "\(name)")
      #expect(peer.sent() == [], "\(name)")
      #expect(peer.acknowledge(1) == .written(0), "\(name)")
      #expect(peer.failed(.trailingBytes) == .none, "\(name)")
      #expect(peer.receive(.pingresp) == .none, "\(name)")
    }
  }

  @Test("CONNECT is the first thing that is said")
  func opening() throws {
    let peer = try ClientPeer()
    #expect(peer.sent() == connect("d1"))
    #expect(peer.timeout(now: .seconds(129)) == .none)
    #expect(peer.timeout(now: .seconds(130)) == .close(.connectTimeout))
    #expect(peer.linkLost().reason == .connectTimeout)
  }

  @Test("DISCONNECT is the last")
  func leaving() throws {
    let peer = try ClientPeer.connected()
    #expect(peer.disconnect())
    #expect(peer.sent() == hex("E000"))
    #expect(!peer.disconnect())
    #expect(peer.linkLost().reason == .disconnected)
  }

  @Test("SUBSCRIBE and UNSUBSCRIBE come back as deliveries, with a code for each filter")
  func subscribing() throws {
    let peer = try ClientPeer.connected()
    #expect(peer.reserveSubscribe(7, filterCount: 2) == 1)
    #expect(peer.reserveUnsubscribe(8) == 2)
    #expect(peer.reserveSubscribe(9, filterCount: 2) == 3)
    #expect(peer.receive("B0020002") == .unsubscribed(delivery: 8))
    #expect(peer.receive("9004 0001 01 80").kind == "subscribed 7")
    #expect(peer.receive("9004 0001 01 80") == .none)
    #expect(peer.receive("9003 0003 01") == .close(.fault(.subscribeCountMismatch)))
  }

  @Test(
    "what is in flight is not settled by another packet",
    arguments: [
      "9003 0001 01", "B0020001", "9003 0002 01", "B0020003", "40020002", "50020003",
      "70020003",
    ]
  )
  func mismatch(packet: String) throws {
    let peer = try ClientPeer.connected()
    _ = peer.reserve(1)
    _ = peer.reserveUnsubscribe(2)
    _ = peer.reserveSubscribe(3, filterCount: 1)
    #expect(peer.receive(packet) == .close(.fault(.acknowledgementMismatch)))
  }

  @Test("requests end with their connection, messages do not (§4.1)")
  func session() throws {
    var peer = try ClientPeer.connected(cleanSession: false)
    _ = peer.reserveSubscribe(1, filterCount: 1)
    _ = peer.reserve(2)
    _ = peer.reserveUnsubscribe(3)
    _ = peer.reserve(4, qos: .exactlyOnce)
    _ = peer.receive("50020004")
    let session = peer.linkLost().session
    peer = try ClientPeer(cleanSession: false, session: session)
    #expect(peer.inFlightCount == 2)
    #expect(peer.receive("20020100") == .connected(sessionPresent: true))
    #expect(peer.inFlight(at: 0)?.delivery == 2)
    #expect(peer.inFlight(at: 0)?.awaiting == .puback)
    #expect(peer.inFlight(at: 1)?.delivery == 4)
    #expect(peer.inFlight(at: 1)?.awaiting == .pubcomp)
    #expect(peer.inFlight(at: 2) == nil)
    #expect(peer.reserve(5) == 5)
  }

  @Test("a clean session leaves nothing, and an attempt that fails leaves the session as it was")
  func sessionEnds() throws {
    var peer = try ClientPeer.connected(cleanSession: true)
    _ = peer.reserve(1)
    #expect(peer.linkLost().session == nil)
    peer = try .connected(cleanSession: false)
    _ = peer.reserve(1)
    let session = peer.linkLost().session
    peer = try ClientPeer(cleanSession: false, session: session)
    #expect(peer.linkLost().session?.inFlightCount == 1)
    peer = try ClientPeer(cleanSession: false, session: session)
    _ = peer.receive("20020003")
    #expect(peer.linkLost().session?.inFlightCount == 1)
  }

  @Test("a server without the session repeats nothing: its identifiers are new messages")
  func forgottenSession() throws {
    for present in [true, false] {
      var peer = try ClientPeer.connected(cleanSession: false)
      _ = peer.receive(publish(.exactlyOnce, 5))
      _ = peer.acknowledge(5)
      let session = peer.linkLost().session
      peer = try .connected(cleanSession: false, session: session, sessionPresent: present)
      let expected = present ? "send pubrec(5)" : "deliver 5"
      #expect(peer.receive(publish(.exactlyOnce, 5)).kind == expected)
    }
  }

  @Test("many answers at once all leave")
  func manyAnswers() throws {
    let peer = try ClientPeer.connected()
    for identifier: UInt16 in 1...40 { _ = peer.receive(publish(.atLeastOnce, identifier)) }
    for identifier: UInt16 in 2...40 { #expect(peer.acknowledge(identifier) == .written(0)) }
    #expect(peer.acknowledge(1) == .written(40))
    #expect(peer.sent().count == 160)
  }

  @Test("misuse traps in debug builds")
  func misuse() async {
    await #expect(processExitsWith: .failure) {
      let peer = try ClientPeer.connected()
      _ = peer.acknowledge(1)
    }
    await #expect(processExitsWith: .failure) {
      let peer = try ClientPeer()
      _ = peer.acknowledge(1)
    }
  }
}

@Suite("A client's keep alive (MQTT 3.1.1 §3.1.2.10)")
struct ClientTimeTests {
  @Test("a PINGREQ is sent in good time, and only when nothing else was")
  func ping() throws {
    let peer = try ClientPeer.connected(keepAliveSeconds: 60)
    #expect(peer.nextDeadline == .seconds(145))
    peer.now = .seconds(120)
    peer.noteSent()
    #expect(peer.timeout(now: .seconds(145)) == .none)
    #expect(peer.nextDeadline == .seconds(165))
    peer.now = .seconds(130)
    _ = peer.reserve(1)
    #expect(peer.nextDeadline == .seconds(175))
    #expect(peer.timeout(now: .seconds(175)) == .send(.pingreq))
    #expect(peer.nextDeadline == .seconds(185))
    peer.now = .seconds(176)
    #expect(peer.receive("D000") == .none)
    #expect(peer.nextDeadline == .seconds(220))
  }

  @Test("a server that does not answer is given up, one that talks is not")
  func silence() throws {
    let peer = try ClientPeer.connected(cleanSession: false, keepAliveSeconds: 60)
    #expect(peer.timeout(now: .seconds(145)) == .send(.pingreq))
    peer.now = .seconds(150)
    _ = peer.receive(publish(.atMostOnce))
    #expect(peer.timeout(now: .seconds(155)) == .none)
    #expect(peer.timeout(now: .seconds(160)) == .close(.pingTimeout))
    let ending = peer.linkLost()
    #expect(ending.reason == .pingTimeout)
    #expect(ending.session != nil)
  }

  @Test("a missing answer proves nothing while the client itself does not listen")
  func backPressure() throws {
    var limits = ClientLimits()
    limits.maximumInbound = 1
    let peer = try ClientPeer.connected(limits: limits)
    _ = peer.receive(publish(.atLeastOnce, 1))
    #expect(!peer.isReceiving)
    #expect(peer.timeout(now: .seconds(145)) == .send(.pingreq))
    #expect(peer.timeout(now: .seconds(155)) == .none)
    #expect(peer.nextDeadline == .seconds(165))
  }

  @Test("a keep alive of 0 never asks")
  func off() throws {
    let peer = try ClientPeer.connected(keepAliveSeconds: 0)
    #expect(peer.nextDeadline == nil)
    #expect(peer.timeout(now: .seconds(1e6)) == .none)
  }
}
