import ByteIO
import MQTT
import Testing

@Suite("A server's connection: every packet in every state (MQTT 3.1.1 §3, §4.8)")
struct ServerConnectionTests {
  @Test("an idle connection is small")
  func size() {
    #expect(MemoryLayout<ServerConnection>.size <= 160)
  }

  static let packets: [(String, [UInt8], awaitingConnect: String, connected: String)] = [
    ("CONNECT", connect(), "authenticate", "close fault(MQTT.MQTTFault.secondConnect)"),
    ("CONNACK", hex("20020000"), early, "close fault(MQTT.MQTTFault.unexpectedPacket)"),
    ("PUBLISH 0", publish(.atMostOnce), early, "deliver 0"),
    ("PUBLISH 1", publish(.atLeastOnce, 9), early, "deliver 9"),
    ("PUBLISH 2", publish(.exactlyOnce, 9), early, "deliver 9"),
    ("PUBACK", hex("40020009"), early, "none"),
    ("PUBREC", hex("50020009"), early, "send pubrel(9)"),
    ("PUBREL", hex("62020009"), early, "send pubcomp(9)"),
    ("PUBCOMP", hex("70020009"), early, "none"),
    ("SUBSCRIBE", hex("8206 0001 0001 61 00"), early, "subscribe"),
    ("SUBACK", hex("9003 0001 00"), early, "close fault(MQTT.MQTTFault.unexpectedPacket)"),
    ("UNSUBSCRIBE", hex("A205 0001 0001 61"), early, "unsubscribe"),
    ("UNSUBACK", hex("B0020001"), early, "close fault(MQTT.MQTTFault.unexpectedPacket)"),
    ("PINGREQ", hex("C000"), early, "send pingresp"),
    ("PINGRESP", hex("D000"), early, "close fault(MQTT.MQTTFault.unexpectedPacket)"),
    ("DISCONNECT", hex("E000"), early, "close disconnected"),
    (
      "garbage", hex("F0"), "close fault(MQTT.MQTTFault.reservedPacketType(15))",
      "close fault(MQTT.MQTTFault.reservedPacketType(15))"
    ),
  ]
  static let early = "close fault(MQTT.MQTTFault.connectExpected)"

  @Test("the table of packets")
  func table() {
    for (name, bytes, awaitingConnect, connected) in Self.packets {
      var peer = ServerPeer()
      #expect(peer.receive(bytes).kind == awaitingConnect, "\(name) at first")
      peer = .authenticating()
      #expect(peer.receive(bytes).kind == "wait", "\(name) while authenticating")
      peer = .connected()
      #expect(peer.receive(bytes).kind == connected, "\(name) connected")
      peer = .closing()
      #expect(peer.receive(bytes).kind == "wait", "\(name) closing")
      peer = .closed()
      #expect(peer.receive(bytes).kind == "wait", "\(name) closed")
    }
  }

  @Test("the table of a driver's events")
  func events() {
    typealias Row = (String, () -> ServerPeer, accept: Bool, refuse: Bool, written: Int?)
    let rows: [Row] = [
      ("authenticating", { .authenticating() }, true, true, nil),
      ("closing", { .closing() }, false, false, 0), ("closed", { .closed() }, false, false, 0),
    ]
    for (name, make, accept, refuse, written) in rows {
      var peer = make()
      let accepted = peer.accept()
      #expect(accepted == accept, "accept while \(name)")
      #expect(peer.sent() == (accept ? hex("20020000") : []), "accept while \(name)")
      peer = make()
      let refused = peer.refuse(.serverUnavailable)
      #expect(refused == refuse, "refuse while \(name)")
      #expect(peer.sent() == (refuse ? hex("20020003") : []), "refuse while \(name)")
      peer = make()
      #expect(peer.reserve(1) == nil, "reserve while \(name)")
      if let written {
        #expect(peer.acknowledge(5) == .written(written), "acknowledge while \(name)")
        #expect(peer.acknowledgeNext() == .written(written), "acknowledge while \(name)")
        #expect(peer.timeout(now: .seconds(1e6)) == .none, "timeout while \(name)")
        #expect(peer.nextDeadline == nil, "deadline while \(name)")
        #expect(peer.failed(.trailingBytes).kind == "none", "fault while \(name)")
        #expect(peer.receive(.pingreq).kind == "none", "\(name)")
      }
      #expect(!peer.isReceiving, "\(name)")
    }
    let peer = ServerPeer()
    #expect(peer.reserve(1) == nil)
    #expect(peer.isReceiving)
  }

  @Test("what the driver must not do traps in debug builds")
  func misuse() async {
    await #expect(processExitsWith: .failure) {
      let peer = ServerPeer()
      _ = peer.accept()
    }
    await #expect(processExitsWith: .failure) {
      let peer = ServerPeer.connected()
      _ = peer.refuse(.notAuthorized)
    }
    await #expect(processExitsWith: .failure) {
      let peer = ServerPeer.connected()
      _ = peer.acknowledge(1)
    }
    await #expect(processExitsWith: .failure) {
      let peer = ServerPeer.authenticating()
      _ = peer.receive(.pingreq)
    }
  }

  @Test("a wrong protocol level is answered with code 1, another protocol is not answered")
  func level() {
    var peer = ServerPeer()
    #expect(peer.receive("10 07 0004 4D515454 05").kind == "refuse unacceptableProtocolVersion")
    #expect(peer.linkLost().reason == .refused(.unacceptableProtocolVersion))
    peer = ServerPeer()
    let expected = ServerReceiveAction.close(.fault(.unsupportedProtocolName))
    #expect(peer.receive("10 07 0004 48545450 05") == expected)
  }

  @Test("an empty client identifier needs a clean session [MQTT-3.1.3-8]")
  func anonymous() {
    var peer = ServerPeer()
    #expect(peer.receive(connect("", cleanSession: false)).kind == "refuse identifierRejected")
    peer = ServerPeer()
    #expect(peer.receive(connect("", cleanSession: true)).kind == "authenticate")
  }

  @Test("a QoS above the server's is refused, in messages and in the will")
  func maximumQoS() {
    var limits = ServerLimits()
    limits.maximumQoS = .atLeastOnce
    let unsupported = ServerReceiveAction.close(.fault(.qosNotSupported))
    var peer = ServerPeer.connected(limits: limits)
    #expect(peer.receive(publish(.atLeastOnce, 1)).kind == "deliver 1")
    #expect(peer.receive(publish(.exactlyOnce, 2)) == unsupported)
    peer = ServerPeer(limits: limits)
    let will = Will(topic: ascii("a"), payload: [], qos: .exactlyOnce)
    #expect(peer.receive(connect(will: will)) == unsupported)
    limits.maximumQoS = .atMostOnce
    peer = .connected(limits: limits)
    #expect(peer.receive(publish(.atLeastOnce, 1)) == unsupported)
  }

  @Test("before CONNECT a smaller packet limit holds")
  func packetLimits() {
    var limits = ServerLimits()
    limits.maximumConnectLength = 100
    limits.maximumPacketLength = 1_000
    var peer = ServerPeer(limits: limits)
    let tooLong = MQTTFault.packetTooLong(byteCount: 101, maximum: 100)
    #expect(peer.receive("10 63") == .close(.fault(tooLong)))
    peer = .connected(limits: limits)
    #expect(peer.receive("30 63") == .wait)
    let tooLongToo = MQTTFault.packetTooLong(byteCount: 1_001, maximum: 1_000)
    #expect(peer.receive("30 E6 07") == .close(.fault(tooLongToo)))
  }
}
