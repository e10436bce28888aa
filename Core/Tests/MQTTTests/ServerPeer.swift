import ByteIO
import MQTT

/// A server's connection with the driver that a test needs around it.
///
/// A class, because the expectation macros copy what they look at.
final class ServerPeer {
  private var machine: ServerConnection
  var now: Instant
  /// What the machine wants sent to the client.
  var out = ByteWriter()

  init(limits: ServerLimits = ServerLimits(), now: Instant = .seconds(100)) {
    machine = ServerConnection(limits: limits, now: now)
    self.now = now
  }

  /// A connection that has been accepted.
  static func connected(
    limits: ServerLimits = ServerLimits(),
    cleanSession: Bool = true,
    keepAliveSeconds: UInt16 = 60,
    will: Will? = nil,
    session: Session? = nil
  ) -> ServerPeer {
    let peer = ServerPeer(limits: limits)
    _ = peer.receive(connect(cleanSession: cleanSession, keepAliveSeconds: keepAliveSeconds))
    _ = peer.accept(session: session, will: will)
    peer.out.removeAll()
    return peer
  }

  /// A connection whose CONNECT waits for the decision.
  static func authenticating() -> ServerPeer {
    let peer = ServerPeer()
    _ = peer.receive(connect())
    return peer
  }

  /// A connection that was closed by a DISCONNECT.
  static func closing() -> ServerPeer {
    let peer = ServerPeer.connected()
    _ = peer.receive("E0 00")
    return peer
  }

  /// A connection that is over.
  static func closed() -> ServerPeer {
    let peer = ServerPeer.closing()
    _ = peer.linkLost()
    return peer
  }

  func receive(_ bytes: [UInt8]) -> ServerReceiveAction {
    var position = 0
    return machine.receive(bytes.span, from: &position, now: now)
  }

  func receive(_ text: String) -> ServerReceiveAction { receive(hex(text)) }

  func acknowledge(_ packetIdentifier: UInt16) -> AcknowledgeAction {
    machine.acknowledge(packetIdentifier, to: &out)
  }

  func acknowledgeNext(_ count: Int = 1) -> AcknowledgeAction {
    machine.acknowledgeNext(count, to: &out)
  }

  func reserve(_ delivery: UInt64, qos: QoS = .atLeastOnce) -> UInt16? {
    machine.reserve(delivery: delivery, qos: qos)
  }

  func receive(_ bytes: [UInt8], from position: inout Int) -> ServerReceiveAction {
    machine.receive(bytes.span, from: &position, now: now)
  }

  func receive(_ packet: PacketLayout) -> ServerReceiveAction {
    machine.receive(packet, now: now)
  }

  func failed(_ fault: MQTTFault) -> ServerReceiveAction { machine.failed(fault) }

  func accept(session: Session? = nil, will: Will? = nil) -> Bool {
    machine.accept(session: session, will: will, now: now, to: &out)
  }

  func refuse(_ code: ConnectReturnCode) -> Bool { machine.refuse(code, to: &out) }

  func timeout(now: Instant) -> ServerTimeoutAction { machine.timeout(now: now) }

  func linkLost() -> ServerEnding { machine.linkLost() }

  func inFlight(at index: Int) -> InFlight? { machine.inFlight(at: index) }

  var inFlightCount: Int { machine.inFlightCount }
  var unacknowledgedCount: Int { machine.unacknowledgedCount }
  var nextDeadline: Instant? { machine.nextDeadline }
  var isReceiving: Bool { machine.isReceiving }
  var isConnected: Bool { machine.isConnected }

  /// Takes what was written.
  func sent() -> [UInt8] {
    defer { out.removeAll() }
    return out.bytes
  }
}

func connect(
  _ clientIdentifier: String = "d1",
  cleanSession: Bool = true,
  keepAliveSeconds: UInt16 = 60,
  will: Will? = nil
) -> [UInt8] {
  let request = ConnectRequest(
    clientIdentifier: ascii(clientIdentifier),
    cleanSession: cleanSession,
    keepAliveSeconds: keepAliveSeconds,
    will: will
  )
  var writer = ByteWriter()
  try? PacketEncoder.connect(request, to: &writer)
  return writer.bytes
}

func publish(_ qos: QoS, _ identifier: UInt16 = 0, duplicate: Bool = false) -> [UInt8] {
  var writer = ByteWriter()
  try? PacketEncoder.publish(
    topic: ascii("a/b").span,
    payload: ascii("hi").span,
    qos: qos,
    duplicate: duplicate,
    packetIdentifier: identifier,
    to: &writer
  )
  return writer.bytes
}

extension ServerReceiveAction {
  /// The action without its layout, for tables.
  var kind: String {
    switch self {
    case .none: "none"
    case .wait: "wait"
    case .authenticate: "authenticate"
    case .deliver(let publish): "deliver \(publish.packetIdentifier)"
    case .subscribe: "subscribe"
    case .unsubscribe: "unsubscribe"
    case .acknowledged(let delivery): "acknowledged \(delivery)"
    case .send(let packet): "send \(packet)"
    case .refuse(let code): "refuse \(code)"
    case .close(let reason): "close \(reason)"
    }
  }
}
