import ByteIO
import MQTT
import Testing

@Suite("A server's deadlines (MQTT 3.1.1 §3.1.2.10, §3.1.4)")
struct ServerTimeTests {
  @Test("CONNECT has to come in time")
  func connectDeadline() {
    let peer = ServerPeer(now: .seconds(100))
    #expect(peer.nextDeadline == .seconds(130))
    #expect(peer.timeout(now: .seconds(129.9)) == .none)
    #expect(peer.receive("10") == .wait)
    #expect(peer.timeout(now: .seconds(130)) == .close(.connectTimeout))
    #expect(peer.linkLost().reason == .connectTimeout)
  }

  @Test("the decision on CONNECT has its own time")
  func authentication() {
    let peer = ServerPeer(now: .seconds(100))
    peer.now = .seconds(129)
    _ = peer.receive(connect())
    #expect(peer.nextDeadline == .seconds(159))
    #expect(peer.timeout(now: .seconds(158)) == .none)
    #expect(peer.timeout(now: .seconds(159)) == .close(.authenticationTimeout))
    #expect(!peer.accept())
  }

  @Test("a client is dropped after one and a half times its keep alive [MQTT-3.1.2-24]")
  func keepAlive() {
    let peer = ServerPeer.connected(keepAliveSeconds: 60)
    #expect(peer.nextDeadline == .seconds(190))
    peer.now = .seconds(150)
    _ = peer.receive("C0 00")
    #expect(peer.timeout(now: .seconds(190)) == .none)
    #expect(peer.nextDeadline == .seconds(240))
    #expect(peer.timeout(now: .seconds(240)) == .close(.keepAliveExpired))
    #expect(peer.linkLost().reason == .keepAliveExpired)
  }

  @Test("half a packet is no sign of life")
  func halfPacket() {
    let peer = ServerPeer.connected(keepAliveSeconds: 60)
    peer.now = .seconds(150)
    #expect(peer.receive("C0") == .wait)
    #expect(peer.nextDeadline == .seconds(190))
  }

  @Test(
    "the server's own bound wins, and stands for a keep alive of 0",
    arguments: [
      (0, 0, nil), (0, 1_767, 1_767), (60, 1_767, 90), (1_178, 1_767, 1_767),
      (1_179, 1_767, 1_767), (65_535, 1_767, 1_767), (65_535, 0, 98_302.5), (1, 0, 1.5),
    ] as [(UInt16, UInt32, Double?)]
  )
  func silence(keepAlive: UInt16, bound: UInt32, seconds: Double?) {
    var limits = ServerLimits()
    limits.maximumSilenceSeconds = bound
    let peer = ServerPeer.connected(limits: limits, keepAliveSeconds: keepAlive)
    #expect(peer.nextDeadline == seconds.map { .seconds(100 + $0) })
  }

  @Test("silence proves nothing while the server itself does not listen")
  func backPressure() {
    var limits = ServerLimits()
    limits.maximumInbound = 1
    let peer = ServerPeer.connected(limits: limits)
    _ = peer.receive(publish(.atLeastOnce, 1))
    #expect(!peer.isReceiving)
    #expect(peer.timeout(now: .seconds(190)) == .none)
    #expect(peer.nextDeadline == .seconds(280))
    #expect(peer.acknowledge(1) == .written(1))
    #expect(peer.timeout(now: .seconds(280)) == .close(.keepAliveExpired))
  }
}
