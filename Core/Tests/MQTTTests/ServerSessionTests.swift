import ByteIO
import MQTT
import Testing

@Suite("Sessions and wills at a server (MQTT 3.1.1 §3.1.2.4, §3.1.2.5, §3.2.2.2)")
struct ServerSessionTests {
  let will = Will(topic: ascii("a"), payload: [1], qos: .atLeastOnce, retain: false)

  @Test(
    "Session Present needs a stored session and no clean one [MQTT-3.2.2-1] [MQTT-3.2.2-2]",
    arguments: [(false, true, "20020100"), (false, false, "20020000"), (true, true, "20020000")]
  )
  func present(cleanSession: Bool, stored: Bool, connack: String) {
    let peer = ServerPeer()
    _ = peer.receive(connect(cleanSession: cleanSession))
    let accepted = peer.accept(session: stored ? Session() : nil)
    #expect(accepted)
    #expect(peer.sent() == hex(connack))
    #expect((peer.linkLost().session == nil) == cleanSession)
  }

  @Test("a clean session begins empty whatever was stored")
  func clean() {
    var peer = ServerPeer.connected(cleanSession: false)
    _ = peer.reserve(1)
    let session = peer.linkLost().session
    #expect(session?.inFlightCount == 1)
    peer = .connected(cleanSession: true, session: session)
    #expect(peer.inFlightCount == 0)
  }

  @Test("DISCONNECT discards the will [MQTT-3.14.4-3]")
  func disconnect() {
    let peer = ServerPeer.connected(will: will)
    #expect(peer.receive("E000") == .close(.disconnected))
    let ending = peer.linkLost()
    #expect(ending.reason == .disconnected)
    #expect(ending.will == nil)
  }

  @Test("any other end leaves the will, once [MQTT-3.1.2-8]")
  func lost() {
    var peer = ServerPeer.connected(will: will)
    let ending = peer.linkLost()
    #expect(ending.reason == .linkLost)
    #expect(ending.will == will)
    #expect(peer.linkLost().will == nil)

    peer = .connected(will: will)
    _ = peer.timeout(now: .seconds(1_000))
    #expect(peer.linkLost().will == will)

    peer = .connected(will: will)
    _ = peer.receive("F0")
    let faulted = peer.linkLost()
    #expect(faulted.will == will)
    #expect(faulted.reason == .fault(.reservedPacketType(15)))
  }

  @Test("a refused client leaves nothing")
  func refused() {
    let peer = ServerPeer()
    _ = peer.receive(connect(will: will))
    #expect(peer.refuse(.notAuthorized))
    #expect(peer.sent() == hex("20020005"))
    let ending = peer.linkLost()
    #expect(ending.reason == .refused(.notAuthorized))
    #expect(ending.will == nil)
    #expect(ending.session == nil)
  }

  @Test("a link that is lost before anything was said leaves nothing")
  func silent() {
    var peer = ServerPeer()
    #expect(peer.linkLost().reason == .linkLost)
    peer = .authenticating()
    #expect(peer.linkLost().reason == .linkLost)
    #expect(!peer.accept())
  }
}
