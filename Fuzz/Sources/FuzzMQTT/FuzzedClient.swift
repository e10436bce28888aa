import ByteIO
import MQTT

/// A client's driver that does what the machine's contract allows, and checks what it promises.
struct FuzzedClient: ~Copyable {
  let behaviour: Behaviour
  var machine: ClientConnection
  var now = Instant(nanoseconds: 1_000_000_000)
  var inbox: [UInt8] = []
  var sink = ByteWriter()
  var next: UInt64 = 0
  var isOver = false

  init(_ behaviour: Behaviour) {
    self.behaviour = behaviour
    var limits = ClientLimits()
    limits.maximumInbound = behaviour.limit
    limits.maximumOutbound = behaviour.limit
    limits.maximumPacketLength = 4_096
    let request = ConnectRequest(
      clientIdentifier: [0x61],
      cleanSession: !behaviour.accepts,
      keepAliveSeconds: 1
    )
    guard
      let started = try? ClientConnection(request, limits: limits, now: now, to: &sink)
    else { preconditionFailure("a good CONNECT was not encoded") }
    machine = started
  }

  mutating func feed(_ bytes: [UInt8]) {
    var position = 0
    while position < bytes.count, !isOver {
      let end = min(position + behaviour.pieceBytes, bytes.count)
      inbox += bytes[position..<end]
      position = end
      now = now.adding(milliseconds: behaviour.pause)
      if case .close = machine.timeout(now: now) { isOver = true }
      read()
      request()
    }
    let ending = machine.linkLost()
    if let session = ending.session {
      precondition(behaviour.accepts && session.inFlightCount <= Int(behaviour.limit))
      for index in 0..<session.inFlightCount {
        let awaiting = session.inFlight(at: index).awaiting
        precondition(awaiting != .suback && awaiting != .unsuback)
      }
    }
    precondition(machine.linkLost().session == nil && !machine.isReceiving)
  }

  /// Asks for something, each time for something else.
  private mutating func request() {
    let identifier =
      switch next % 4 {
      case 0: machine.reserve(delivery: next, qos: .atLeastOnce, now: now)
      case 1: machine.reserve(delivery: next, qos: .exactlyOnce, now: now)
      case 2: machine.reserveSubscribe(delivery: next, filterCount: 1, now: now)
      default: machine.reserveUnsubscribe(delivery: next, now: now)
      }
    guard let identifier else { return }
    precondition(identifier != 0 && machine.isConnected)
    next += 1
  }

  private mutating func read() {
    var position = 0
    while !isOver {
      let before = position
      let bytes = inbox
      let action = machine.receive(bytes.span, from: &position, now: now)
      precondition(position >= before && position <= inbox.count)
      precondition(machine.inFlightCount <= Int(behaviour.limit))
      switch action {
      case .wait:
        inbox.removeFirst(position)
        return
      case .close:
        isOver = true
        return
      case .deliver(let publish):
        guard publish.qos != .atMostOnce else { break }
        precondition(
          machine.acknowledge(publish.packetIdentifier, now: now, to: &sink) == .written(1)
        )
      case .acknowledged(let delivery), .unsubscribed(let delivery):
        precondition(delivery < next)
      case .subscribed(let delivery, let suback):
        precondition(delivery < next && suback.returnCodes(in: inbox.span).count == 1)
      case .send(let packet):
        packet.encode(to: &sink)
      case .none, .connected:
        break
      }
      precondition(position > before, "no progress")
      sink.removeAll()
    }
  }
}
