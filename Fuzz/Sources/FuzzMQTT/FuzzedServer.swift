import ByteIO
import MQTT

/// A server's driver that does what the machine's contract allows, and checks what it promises.
struct FuzzedServer: ~Copyable {
  let behaviour: Behaviour
  var machine: ServerConnection
  var now = Instant(nanoseconds: 1_000_000_000)
  var waiting: [UInt16] = []
  var inbox: [UInt8] = []
  var sink = ByteWriter()
  var next: UInt64 = 0
  var isOver = false

  init(_ behaviour: Behaviour) {
    self.behaviour = behaviour
    var limits = ServerLimits()
    limits.maximumQoS = behaviour.maximumQoS
    limits.maximumInbound = behaviour.limit
    limits.maximumOutbound = behaviour.limit
    limits.maximumConnectLength = 512
    limits.maximumPacketLength = 4_096
    machine = ServerConnection(limits: limits, now: now)
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
      if let identifier = machine.reserve(delivery: next, qos: behaviour.maximumQoS) {
        precondition(identifier != 0)
        next += 1
      }
    }
    let wasConnected = machine.isConnected
    let ending = machine.linkLost()
    if wasConnected { precondition(ending.reason == .linkLost) }
    precondition(machine.linkLost().will == nil, "a will twice")
    precondition(machine.nextDeadline == nil && !machine.isReceiving)
  }

  private mutating func read() {
    var position = 0
    while !isOver {
      let before = position
      let bytes = inbox
      let action = machine.receive(bytes.span, from: &position, now: now)
      precondition(position >= before && position <= inbox.count)
      precondition(machine.unacknowledgedCount <= Int(behaviour.limit))
      precondition(machine.inFlightCount <= Int(behaviour.limit))
      if action == .wait {
        guard !machine.isReceiving, acknowledgeAll() else { break }
        continue
      }
      act(action, moved: position - before)
    }
    inbox.removeFirst(position)
    precondition(inbox.count < 4_096 + 256 || !machine.isReceiving, "unbounded")
  }

  private mutating func act(_ action: ServerReceiveAction, moved: Int) {
    switch action {
    case .close, .refuse:
      isOver = true
      precondition(!machine.isReceiving && !machine.isConnected)
      return
    case .authenticate(let connect):
      decide(connect)
    case .deliver(let publish):
      check(.publish(publish), within: 0..<inbox.count)
      guard publish.qos != .atMostOnce else { break }
      waiting.append(publish.packetIdentifier)
      if behaviour.acknowledgesAtOnce { _ = acknowledgeAll() }
    case .subscribe(let subscribe):
      precondition(subscribe.entries(in: inbox.span).count == subscribe.count)
    case .unsubscribe(let unsubscribe):
      precondition(unsubscribe.filters(in: inbox.span).count == unsubscribe.count)
    case .acknowledged(let delivery):
      precondition(delivery < next, "a delivery that never was")
    case .send(let packet):
      packet.encode(to: &sink)
    case .none, .wait:
      break
    }
    precondition(moved > 0, "no progress")
    sink.removeAll()
  }

  private mutating func decide(_ connect: ConnectLayout) {
    let request = ConnectRequest(connect, in: inbox.span)
    // What was taken in can be said again, and reads back as the same.
    var writer = ByteWriter()
    try? PacketEncoder.connect(request, to: &writer)
    guard let again = try? PacketDecoder.next(writer.bytes.span, maximumLength: 1 << 20),
      case .connect(let layout) = again.layout
    else { preconditionFailure("a CONNECT that cannot be repeated") }
    precondition(ConnectRequest(layout, in: writer.bytes.span) == request)
    guard behaviour.accepts else {
      precondition(machine.refuse(.notAuthorized, to: &sink))
      isOver = true
      return
    }
    precondition(machine.accept(session: Session(), will: request.will, now: now, to: &sink))
  }

  /// Acknowledges what waits; false if nothing did.
  private mutating func acknowledgeAll() -> Bool {
    guard !waiting.isEmpty else { return false }
    if behaviour.acknowledgesByIdentifier {
      for identifier in waiting.reversed() {
        guard case .written = machine.acknowledge(identifier, to: &sink) else {
          preconditionFailure("an acknowledgement was refused")
        }
      }
    } else {
      precondition(machine.acknowledgeNext(waiting.count, to: &sink) == .written(waiting.count))
    }
    precondition(sink.count % 4 == 0 && machine.unacknowledgedCount == 0)
    waiting = []
    return true
  }
}
