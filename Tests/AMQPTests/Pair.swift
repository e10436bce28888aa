import AMQP
import AMQPCodec
import ByteIO

/// A client and a server in one process: carries the bytes of one to the other until both are quiet.
struct Pair: ~Copyable {
  var client: AMQPConnection
  var server: AMQPConnection
  var clientEvents: [AMQPEvent] = []
  var serverEvents: [AMQPEvent] = []
  /// All that each side sent.
  var toServer = ByteWriter()
  var toClient = ByteWriter()
  var acceptsLogins = true
  /// How many bytes arrive at once.
  var pieceBytes = Int.max

  init(
    _ authentication: SASLInit = SASLInit(mechanism: "ANONYMOUS"),
    serverLimits: AMQPConnectionLimits = AMQPConnectionLimits(),
    clientLimits: AMQPConnectionLimits = AMQPConnectionLimits(),
    trackingID: String? = nil
  ) {
    client = AMQPConnection(
      containerID: "client",
      hostname: "hub.test",
      authentication: authentication,
      limits: clientLimits
    )
    server = AMQPConnection(containerID: "hub", trackingID: trackingID, limits: serverLimits)
  }

  /// Carries bytes until neither side has more; logins are judged on the way.
  mutating func run() {
    while true {
      var (up, down) = (ByteWriter(), ByteWriter())
      client.write(to: &up)
      var offset = 0
      while offset < up.count {
        let end = offset + min(pieceBytes, up.count - offset)
        server.receive(up.bytes.span.extracting(offset..<end))
        offset = end
      }
      for event in server.nextEvents() {
        serverEvents.append(event)
        if case .authenticating = event { server.judged(isAccepted: acceptsLogins) }
      }
      server.write(to: &down)
      client.receive(down.bytes.span)
      clientEvents += client.nextEvents()
      toServer.append(up.bytes)
      toClient.append(down.bytes)
      if up.count == 0, down.count == 0 { return }
    }
  }

  /// The server's events since the last call.
  mutating func takeServerEvents() -> [AMQPEvent] {
    defer { serverEvents = [] }
    return serverEvents
  }

  /// The client's events since the last call.
  mutating func takeClientEvents() -> [AMQPEvent] {
    defer { clientEvents = [] }
    return clientEvents
  }

  /// Attaches a link of the client that the server accepts; both names of it.
  mutating func link(
    isSender: Bool,
    address: String = "node",
    credit: Int32 = 10,
    isPresettled: Bool = false
  ) -> (client: LinkID, server: LinkID)? {
    run()
    let node = AMQPTerminus(address: address)
    let own = AMQPTerminus(address: "own")
    guard
      let id = client.attach(
        "\(isSender ? "to" : "from") \(address)",
        isSender: isSender,
        source: isSender ? own : node,
        target: isSender ? node : own,
        credit: credit
      )
    else { return nil }
    run()
    var accepted: LinkID?
    for event in takeServerEvents() {
      guard case .attached(let link, _) = event else { continue }
      accepted = link
      server.accept(link, credit: credit, isPresettled: isPresettled)
    }
    run()
    clientEvents = []
    serverEvents = []
    return accepted.map { (id, $0) }
  }
}

/// A message of one byte that is none of AMQP's: the engine carries any bytes.
let one: [UInt8] = [1]

/// The same value: what a type that can't be copied answers, handed to a macro that copies.
func copied<Value>(_ value: Value) -> Value { value }

extension AMQPConnection {
  /// Takes all of an array.
  mutating func receive(_ bytes: [UInt8]) { receive(bytes.span) }

  /// Sends an array.
  @discardableResult
  mutating func send(
    _ message: [UInt8],
    on id: LinkID,
    tag: [UInt8],
    isSettled: Bool
  ) -> DeliveryID? {
    send(message.span, on: id, tag: tag, isSettled: isSettled)
  }
}
