import ByteIO
import MQTT

/// A client and a server in one process, and a link between them that carries bytes in pieces and
/// can break after any of them.
///
/// Both ends have the least that a driver must do: keep what is not settled, send it again after a
/// reconnect, remember what arrived.
final class Pipe {
  /// One direction's sender and receiver of messages, which outlive connections.
  struct End {
    var unsent: [(delivery: UInt64, qos: QoS)] = []
    var messages: [UInt64: QoS] = [:]
    var settled: [UInt64] = []
    var arrived: [UInt64] = []
    var session: Session?
  }

  var client = End()
  var server = End()
  var subscribed = false
  private var clientMachine: ClientConnection
  private var serverMachine: ServerConnection
  private var toServer = ByteWriter()
  private var toClient = ByteWriter()
  private var serverInbox: [UInt8] = []
  private var clientInbox: [UInt8] = []
  private let pieceBytes: Int
  /// Bytes that the link carries before it breaks.
  private var bytesUntilBreak: Int
  private(set) var bytesCarried = 0
  private let now = Instant.seconds(1)

  init(pieceBytes: Int, breakAfter: Int = .max) throws(MQTTFault) {
    self.pieceBytes = pieceBytes
    bytesUntilBreak = breakAfter
    clientMachine = try Pipe.client(nil, &toServer)
    serverMachine = ServerConnection(limits: ServerLimits(), now: now)
  }

  private static func client(
    _ session: Session?,
    _ sink: inout ByteWriter
  ) throws(MQTTFault) -> ClientConnection {
    let request = ConnectRequest(
      clientIdentifier: ascii("d1"),
      cleanSession: false,
      keepAliveSeconds: 60
    )
    return try ClientConnection(request, session: session, now: .seconds(1), to: &sink)
  }

  /// Carries bytes until both ends are quiet; reconnects when the link breaks.
  func run() throws(MQTTFault) {
    var isQuiet = false
    while !isQuiet {
      isQuiet = true
      try serverSends()
      if carry(&toServer, &serverInbox) {
        isQuiet = false
        try serverReads()
      }
      try clientSends()
      if carry(&toClient, &clientInbox) {
        isQuiet = false
        try clientReads()
      }
      if bytesUntilBreak == 0 {
        isQuiet = false
        try reconnect()
      }
    }
  }

  private func carry(_ from: inout ByteWriter, _ to: inout [UInt8]) -> Bool {
    let count = min(pieceBytes, from.count, bytesUntilBreak)
    guard count > 0 else { return false }
    to += from.bytes.prefix(count)
    from.bytes.removeFirst(count)
    bytesUntilBreak -= count
    bytesCarried += count
    return true
  }

  private func reconnect() throws(MQTTFault) {
    client.session = clientMachine.linkLost().session
    // A connection that never stood has no session, and the stored one stays.
    if let session = serverMachine.linkLost().session { server.session = session }
    toServer.removeAll()
    toClient.removeAll()
    serverInbox = []
    clientInbox = []
    bytesUntilBreak = .max
    clientMachine = try Pipe.client(client.session, &toServer)
    serverMachine = ServerConnection(limits: ServerLimits(), now: now)
  }

  // MARK: - the server's driver

  private func serverReads() throws(MQTTFault) {
    var position = 0
    loop: while true {
      switch serverMachine.receive(serverInbox.span, from: &position, now: now) {
      case .none: break
      case .wait: break loop
      case .authenticate:
        _ = serverMachine.accept(session: server.session, will: nil, now: now, to: &toClient)
        for index in 0..<serverMachine.inFlightCount {
          guard let entry = serverMachine.inFlight(at: index) else { continue }
          try again(entry, server.messages, &toClient)
        }
      case .deliver(let layout):
        server.arrived.append(delivery(serverInbox, layout))
        if layout.qos != .atMostOnce {
          _ = serverMachine.acknowledge(layout.packetIdentifier, to: &toClient)
        }
      case .subscribe(let layout):
        let entries = layout.entries(in: serverInbox.span)
        let codes = entries.map { SubscribeReturnCode(granted: $0.requested) }
        try PacketEncoder.suback(
          packetIdentifier: layout.packetIdentifier,
          codes,
          to: &toClient
        )
      case .unsubscribe(let layout):
        PacketEncoder.unsuback(layout.packetIdentifier, to: &toClient)
      case .acknowledged(let delivery):
        server.settled.append(delivery)
      case .send(let packet):
        packet.encode(to: &toClient)
      case .refuse, .close:
        server.arrived.append(.max)
        break loop
      }
    }
    serverInbox.removeFirst(position)
  }

  private func serverSends() throws(MQTTFault) {
    while serverMachine.isConnected, let next = server.unsent.first {
      guard let identifier = serverMachine.reserve(delivery: next.delivery, qos: next.qos) else {
        return
      }
      server.unsent.removeFirst()
      server.messages[next.delivery] = next.qos
      try message(next.delivery, next.qos, identifier, false, &toClient)
    }
  }

  // MARK: - the client's driver

  private func clientReads() throws(MQTTFault) {
    var position = 0
    loop: while true {
      switch clientMachine.receive(clientInbox.span, from: &position, now: now) {
      case .none: break
      case .wait: break loop
      case .connected:
        for index in 0..<clientMachine.inFlightCount {
          guard let entry = clientMachine.inFlight(at: index) else { continue }
          try again(entry, client.messages, &toServer)
        }
        let subscription = clientMachine.reserveSubscribe(delivery: 0, filterCount: 1, now: now)
        try PacketEncoder.subscribe(
          packetIdentifier: subscription ?? 0,
          [(ascii("#"), .exactlyOnce)],
          to: &toServer
        )
      case .deliver(let layout):
        client.arrived.append(delivery(clientInbox, layout))
        if layout.qos != .atMostOnce {
          _ = clientMachine.acknowledge(layout.packetIdentifier, now: now, to: &toServer)
        }
      case .acknowledged(let delivery):
        client.settled.append(delivery)
      case .subscribed: subscribed = true
      case .unsubscribed: break
      case .send(let packet):
        packet.encode(to: &toServer)
      case .close:
        client.arrived.append(.max)
        break loop
      }
    }
    clientInbox.removeFirst(position)
  }

  private func clientSends() throws(MQTTFault) {
    while clientMachine.isConnected, let next = client.unsent.first {
      guard
        let identifier = clientMachine.reserve(
          delivery: next.delivery,
          qos: next.qos,
          now: now
        )
      else { return }
      client.unsent.removeFirst()
      client.messages[next.delivery] = next.qos
      try message(next.delivery, next.qos, identifier, false, &toServer)
    }
  }

  // MARK: - messages

  private func again(
    _ entry: InFlight,
    _ messages: [UInt64: QoS],
    _ sink: inout ByteWriter
  ) throws(MQTTFault) {
    guard entry.awaiting != .pubcomp else {
      ShortPacket.pubrel(entry.packetIdentifier).encode(to: &sink)
      return
    }
    let qos = messages[entry.delivery] ?? .atMostOnce
    try message(entry.delivery, qos, entry.packetIdentifier, true, &sink)
  }

  private func message(
    _ delivery: UInt64,
    _ qos: QoS,
    _ identifier: UInt16,
    _ duplicate: Bool,
    _ sink: inout ByteWriter
  ) throws(MQTTFault) {
    try PacketEncoder.publish(
      topic: ascii("t").span,
      payload: [UInt8(truncatingIfNeeded: delivery)].span,
      qos: qos,
      duplicate: duplicate,
      packetIdentifier: identifier,
      to: &sink
    )
  }

  private func delivery(_ bytes: [UInt8], _ layout: PublishLayout) -> UInt64 {
    UInt64(bytes[layout.payload.lowerBound])
  }
}
