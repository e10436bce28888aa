import ByteIO
import MQTT
import Testing

@Suite("Delivery protocols at a server (MQTT 3.1.1 §4.3, §4.4, §4.6)")
struct ServerDeliveryTests {
  @Test("PUBACKs leave in the order of the messages [MQTT-4.6.0-2]")
  func order() {
    let peer = ServerPeer.connected()
    for identifier: UInt16 in 1...3 { _ = peer.receive(publish(.atLeastOnce, identifier)) }
    #expect(peer.acknowledge(2) == .written(0))
    #expect(peer.acknowledge(3) == .written(0))
    #expect(peer.sent() == [])
    #expect(peer.acknowledge(1) == .written(3))
    #expect(peer.sent() == hex("40020001 40020002 40020003"))
    #expect(peer.unacknowledgedCount == 0)
  }

  @Test("a batch of acknowledgements needs no identifiers")
  func batch() {
    let peer = ServerPeer.connected()
    for identifier: UInt16 in [7, 5, 7, 9] { _ = peer.receive(publish(.atLeastOnce, identifier)) }
    #expect(peer.acknowledgeNext(3) == .written(3))
    #expect(peer.sent() == hex("40020007 40020005 40020007"))
    #expect(peer.acknowledgeNext(0) == .written(0))
    #expect(peer.unacknowledgedCount == 1)
  }

  @Test("at the inbound limit the driver stops reading")
  func inboundLimit() {
    var limits = ServerLimits()
    limits.maximumInbound = 2
    let peer = ServerPeer.connected(limits: limits)
    let three = publish(.atLeastOnce, 1) + publish(.atLeastOnce, 2) + publish(.atLeastOnce, 3)
    var position = 0
    for _ in 0..<2 {
      _ = peer.receive(three, from: &position)
    }
    #expect(peer.receive(three, from: &position) == .wait)
    #expect(position == three.count / 3 * 2)
    _ = peer.acknowledge(1)
    #expect(peer.receive(three, from: &position).kind == "deliver 3")
    #expect(position == three.count)
  }

  @Test("QoS 2 is delivered once, however often it is sent (§4.3.3)")
  func exactlyOnce() {
    let peer = ServerPeer.connected()
    #expect(peer.receive(publish(.exactlyOnce, 4)).kind == "deliver 4")
    #expect(peer.receive(publish(.exactlyOnce, 4, duplicate: true)) == .none)
    #expect(peer.acknowledge(4) == .written(1))
    #expect(peer.sent() == hex("50020004"))
    #expect(peer.receive(publish(.exactlyOnce, 4, duplicate: true)) == .send(.pubrec(4)))
    #expect(peer.receive("62020004") == .send(.pubcomp(4)))
    #expect(peer.receive("62020004") == .send(.pubcomp(4)))
    #expect(peer.receive(publish(.exactlyOnce, 4)).kind == "deliver 4")
  }

  @Test("QoS 2 messages that are never released are bounded")
  func unreleased() {
    var limits = ServerLimits()
    limits.maximumInbound = 2
    let peer = ServerPeer.connected(limits: limits)
    for identifier: UInt16 in 1...2 {
      _ = peer.receive(publish(.exactlyOnce, identifier))
      _ = peer.acknowledge(identifier)
    }
    #expect(peer.receive(publish(.exactlyOnce, 3)) == .close(.fault(.tooManyUnreleased)))
  }

  @Test("what was received survives the connection only once it is ours")
  func receivedAcrossConnections() {
    var peer = ServerPeer.connected(cleanSession: false)
    _ = peer.receive(publish(.exactlyOnce, 1))
    _ = peer.acknowledge(1)
    _ = peer.receive(publish(.exactlyOnce, 2))
    let session = peer.linkLost().session
    #expect(session?.unreleasedCount == 1)
    peer = .connected(cleanSession: false, session: session)
    #expect(peer.receive(publish(.exactlyOnce, 1, duplicate: true)) == .send(.pubrec(1)))
    #expect(peer.receive(publish(.exactlyOnce, 2, duplicate: true)).kind == "deliver 2")
  }

  @Test("identifiers of our own messages come back as deliveries")
  func outbound() {
    let peer = ServerPeer.connected()
    #expect(peer.reserve(1_000) == 1)
    #expect(peer.reserve(1_001) == 2)
    #expect(peer.reserve(1_002, qos: .exactlyOnce) == 3)
    #expect(peer.receive("40020002") == .acknowledged(delivery: 1_001))
    #expect(peer.receive("40020002") == .none)
    #expect(peer.receive("50020003") == .send(.pubrel(3)))
    #expect(peer.receive("50020003") == .send(.pubrel(3)))
    #expect(peer.inFlight(at: 1)?.awaiting == .pubcomp)
    #expect(peer.receive("70020003") == .acknowledged(delivery: 1_002))
    #expect(peer.receive("40020001") == .acknowledged(delivery: 1_000))
    #expect(peer.inFlightCount == 0)
    #expect(peer.inFlight(at: 0) == nil)
  }

  @Test(
    "a message is not settled by the packet of another QoS",
    arguments: [
      (QoS.exactlyOnce, "40020001"), (.exactlyOnce, "70020001"), (.atLeastOnce, "50020001"),
      (.atLeastOnce, "70020001"),
    ]
  )
  func mismatch(qos: QoS, packet: String) {
    let peer = ServerPeer.connected()
    _ = peer.reserve(1, qos: qos)
    #expect(peer.receive(packet) == .close(.fault(.acknowledgementMismatch)))
  }

  @Test("the outbound window is bounded, and opens with each PUBACK")
  func outboundLimit() {
    var limits = ServerLimits()
    limits.maximumOutbound = 2
    let peer = ServerPeer.connected(limits: limits)
    #expect(peer.reserve(1) == 1)
    #expect(peer.reserve(2) == 2)
    #expect(peer.reserve(3) == nil)
    _ = peer.receive("40020001")
    #expect(peer.reserve(3) == 3)
  }

  @Test("identifiers go around without 0 and without the ones in use [MQTT-2.3.1-1]")
  func identifiersWrap() {
    var limits = ServerLimits()
    limits.maximumOutbound = 10
    let peer = ServerPeer.connected(limits: limits)
    #expect(peer.reserve(0) == 1)
    for round in 2...65_535 {
      #expect(peer.reserve(UInt64(round)) == UInt16(round))
      #expect(
        peer.receive(.puback(UInt16(round)))
          == .acknowledged(delivery: UInt64(round))
      )
    }
    #expect(peer.reserve(1) == nil)
    _ = peer.receive(.puback(1))
    #expect(peer.reserve(1) == 1)
  }

  @Test("a random order of acknowledgements settles every delivery once")
  func randomOrder() {
    var generator = SeededGenerator(seed: 7)
    let peer = ServerPeer.connected()
    var waiting: [UInt16: UInt64] = [:]
    var next: UInt64 = 0
    for _ in 0..<20_000 {
      if Bool.random(using: &generator), let identifier = peer.reserve(next) {
        #expect(waiting[identifier] == nil)
        waiting[identifier] = next
        next += 1
      } else if let identifier = waiting.keys.sorted().randomElement(using: &generator) {
        let action = peer.receive(.puback(identifier))
        let delivery = waiting.removeValue(forKey: identifier)
        #expect(action == delivery.map { .acknowledged(delivery: $0) })
      }
    }
    #expect(peer.inFlightCount == waiting.count)
    let oldest = waiting.values.min()
    #expect(peer.inFlight(at: 0)?.delivery == oldest)
  }

  @Test("unsettled messages are there again after a reconnect, in their order [MQTT-4.4.0-1]")
  func resend() {
    var peer = ServerPeer.connected(cleanSession: false)
    _ = peer.reserve(10)
    _ = peer.reserve(11, qos: .exactlyOnce)
    _ = peer.reserve(12)
    _ = peer.receive("50020002")
    let session = peer.linkLost().session
    peer = .connected(cleanSession: false, session: session)
    var list: [InFlight] = []
    for index in 0..<peer.inFlightCount {
      if let entry = peer.inFlight(at: index) { list.append(entry) }
    }
    #expect(list.map(\.delivery) == [10, 11, 12])
    #expect(list.map(\.packetIdentifier) == [1, 2, 3])
    #expect(list.map(\.awaiting) == [.puback, .pubcomp, .puback])
    #expect(peer.reserve(13) == 4)
  }
}
