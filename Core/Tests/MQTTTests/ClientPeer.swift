import ByteIO
import MQTT

/// A client's connection with the driver that a test needs around it.
final class ClientPeer {
  private var machine: ClientConnection
  var now: Instant
  /// What the machine wants sent to the server.
  var out = ByteWriter()

  init(
    limits: ClientLimits = ClientLimits(),
    cleanSession: Bool = true,
    keepAliveSeconds: UInt16 = 60,
    session: Session? = nil
  ) throws(MQTTFault) {
    let request = ConnectRequest(
      clientIdentifier: ascii("d1"),
      cleanSession: cleanSession,
      keepAliveSeconds: keepAliveSeconds
    )
    now = .seconds(100)
    machine = try ClientConnection(request, session: session, limits: limits, now: now, to: &out)
  }

  /// A connection that stands.
  static func connected(
    limits: ClientLimits = ClientLimits(),
    cleanSession: Bool = true,
    keepAliveSeconds: UInt16 = 60,
    session: Session? = nil,
    sessionPresent: Bool = false
  ) throws(MQTTFault) -> ClientPeer {
    let peer = try ClientPeer(
      limits: limits,
      cleanSession: cleanSession,
      keepAliveSeconds: keepAliveSeconds,
      session: session
    )
    _ = peer.receive(sessionPresent ? "20020100" : "20020000")
    peer.out.removeAll()
    return peer
  }

  /// A connection that was left.
  static func closing() throws(MQTTFault) -> ClientPeer {
    let peer = try ClientPeer.connected()
    _ = peer.disconnect()
    peer.out.removeAll()
    return peer
  }

  /// A connection that is over.
  static func closed() throws(MQTTFault) -> ClientPeer {
    let peer = try ClientPeer.closing()
    _ = peer.linkLost()
    return peer
  }

  func receive(_ bytes: [UInt8], from position: inout Int) -> ClientReceiveAction {
    machine.receive(bytes.span, from: &position, now: now)
  }

  func receive(_ bytes: [UInt8]) -> ClientReceiveAction {
    var position = 0
    return receive(bytes, from: &position)
  }

  func receive(_ text: String) -> ClientReceiveAction { receive(hex(text)) }

  func receive(_ packet: PacketLayout) -> ClientReceiveAction {
    machine.receive(packet, now: now)
  }

  func failed(_ fault: MQTTFault) -> ClientReceiveAction { machine.failed(fault) }

  func reserve(_ delivery: UInt64, qos: QoS = .atLeastOnce) -> UInt16? {
    machine.reserve(delivery: delivery, qos: qos, now: now)
  }

  func reserveSubscribe(_ delivery: UInt64, filterCount: UInt16) -> UInt16? {
    machine.reserveSubscribe(delivery: delivery, filterCount: filterCount, now: now)
  }

  func reserveUnsubscribe(_ delivery: UInt64) -> UInt16? {
    machine.reserveUnsubscribe(delivery: delivery, now: now)
  }

  func acknowledge(_ packetIdentifier: UInt16) -> AcknowledgeAction {
    machine.acknowledge(packetIdentifier, now: now, to: &out)
  }

  func noteSent() { machine.sent(now: now) }

  func timeout(now: Instant) -> ClientTimeoutAction { machine.timeout(now: now) }

  func disconnect() -> Bool { machine.disconnect(to: &out) }

  func linkLost() -> ClientEnding { machine.linkLost() }

  func inFlight(at index: Int) -> InFlight? { machine.inFlight(at: index) }

  var inFlightCount: Int { machine.inFlightCount }
  var nextDeadline: Instant? { machine.nextDeadline }
  var isReceiving: Bool { machine.isReceiving }
  var isConnected: Bool { machine.isConnected }

  /// Takes what was written.
  func sent() -> [UInt8] {
    defer { out.removeAll() }
    return out.bytes
  }
}

extension ClientReceiveAction {
  /// The action without its layout, for tables.
  var kind: String {
    switch self {
    case .none: "none"
    case .wait: "wait"
    case .connected(let present): "connected \(present)"
    case .deliver(let publish): "deliver \(publish.packetIdentifier)"
    case .acknowledged(let delivery): "acknowledged \(delivery)"
    case .subscribed(let delivery, _): "subscribed \(delivery)"
    case .unsubscribed(let delivery): "unsubscribed \(delivery)"
    case .send(let packet): "send \(packet)"
    case .close(.fault(let fault)): "close \(fault)"
    case .close(let reason): "close \(reason)"
    }
  }
}
