import ByteIO
import Endpoints
import HubContract
import Logging
import MQTT
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@Suite("A device's MQTT connection (contract §3)")
struct DeviceConnectionTests {
  private static let devicebound = "devices/d/messages/devicebound/#"
  private static let methods = "$iothub/methods/POST/#"
  private static let accepted: [UInt8] = [0x20, 2, 0, 0]

  @Test("A clean session's CONNACK comes when the old session is durably gone")
  func cleanSession() throws {
    let client = try Client(session: [(Self.devicebound, 1)])
    try client.connect()
    #expect(client.backend.calls == ["admit", "established", "forget"])
    #expect(try client.received().isEmpty, "nobody knows yet whether it is gone")
    client.backend.state.withLock { $0.isRemembered }?(true)
    #expect(try client.received() == Self.accepted)
  }

  @Test("A session that cannot be deleted keeps the client out: CONNACK 3")
  func cleanSessionFails() throws {
    let client = try Client(session: [(Self.devicebound, 1)])
    try client.connect()
    client.backend.state.withLock { $0.isRemembered }?(false)
    #expect(try client.received() == [0x20, 2, 0, 3])
    #expect(client.backend.calls == ["admit", "established", "forget", "ended"])
  }

  @Test("Without an old session a clean one waits for nothing")
  func noOldSession() throws {
    let client = try Client()
    try client.connect()
    #expect(client.backend.calls == ["admit", "established"])
    #expect(try client.received() == Self.accepted)
  }

  @Test("A CONNECT that is judged again counts once for the rate of connections")
  func judgedAgain() throws {
    let client = try Client()
    client.backend.state.withLock { $0.changes = 2 }
    try client.connect()
    #expect(client.backend.calls == ["admit", "admit again", "admit again", "established"])
    #expect(try client.received() == Self.accepted)
  }

  @Test("Messages that come for a client which has unsubscribed go back")
  func unsubscribed() throws {
    let client = try Client()
    try client.connect()
    try client.subscribe(Self.devicebound)
    let taken = try #require(client.backend.state.withLock { $0.taken })
    try client.unsubscribe(Self.devicebound)
    _ = try client.received()
    taken(
      [1, 2].map { CloudToDeviceDelivery(sequence: $0, token: [UInt8($0)], bag: [], body: []) }
    )
    #expect(try client.received().isEmpty, "a message after UNSUBACK")
    #expect(client.backend.state.withLock { $0.returned } == [[1], [2]])
    try client.subscribe(Self.devicebound)
    #expect(client.backend.calls.filter { $0 == "take" }.count == 2, "and come again")
  }

  @Test("Messages that wait behind a full window go back with the subscription")
  func unsent() throws {
    var quotas = Quotas()
    quotas.cloudToDeviceWindow = 120
    let client = try Client(quotas: quotas)
    try client.connect()
    try client.subscribe(Self.devicebound)
    client.backend.state.withLock { $0.taken }?(
      (1...120).map {
        CloudToDeviceDelivery(sequence: $0, token: [UInt8($0)], bag: [], body: [])
      }
    )
    let sent = try client.received().count
    try client.unsubscribe(Self.devicebound)
    let returned = client.backend.state.withLock { $0.returned }
    #expect(sent > 0 && !returned.isEmpty && returned.count < 120)
    #expect(returned.last == [120])
  }

  @Test(
    "A will is judged as a PUBLISH is",
    arguments: [
      ("devices/d/messages/events/", true), ("devices/d/messages/events/a=b&%24.mid=m", true),
      ("devices/d/messages/events/%24.mid=\(String(repeating: "m", count: 129))", false),
      ("devices/other/messages/events/", false), ("$iothub/twin/GET/?$rid=1", false),
    ]
  )
  func will(topic: String, isTaken: Bool) throws {
    let client = try Client()
    try client.connect(will: Will(topic: Array(topic.utf8), payload: [1], qos: .atLeastOnce))
    #expect(try client.received() == [0x20, 2, 0, isTaken ? 0 : 5])
    #expect(client.backend.calls == (isTaken ? ["admit", "established"] : ["admit"]))
  }

  @Test("Who takes methods, more of them, or none any more, is told")
  func methodSubscriptions() throws {
    let client = try Client()
    try client.connect()
    let steps: [(subscribe: Bool, filter: String, told: String?)] = [
      (true, "$iothub/methods/POST/a/#", "methods subscribed"),
      (true, "$iothub/methods/POST/a/#", nil),
      (true, "$iothub/methods/POST/b/#", "methods subscribed"),
      (false, "$iothub/methods/POST/a/#", nil),
      (true, Self.methods, "methods subscribed"),
      (true, "$iothub/methods/POST/c/#", nil),
      (false, Self.methods, nil),
      (false, "$iothub/methods/POST/b/#", nil),
      (false, "$iothub/methods/POST/c/#", "methods unsubscribed"),
      (false, "$iothub/methods/POST/c/#", nil),
    ]
    for (index, step) in steps.enumerated() {
      let before = client.backend.calls.count
      if step.subscribe {
        try client.subscribe(step.filter)
      } else {
        try client.unsubscribe(step.filter)
      }
      let told = Array(client.backend.calls[before...])
      #expect(told == (step.told.map { [$0] } ?? []), "step \(index)")
    }
  }

  @Test("A method that the client does not take, or that comes when it has gone, is given back")
  func undelivered() throws {
    let client = try Client()
    try client.connect()
    try client.subscribe("$iothub/methods/POST/a/#")
    _ = try client.received()
    let handle = try #require(client.backend.state.withLock { $0.handle })
    let undelivered = Mutex<[String]>([])
    func deliver(_ name: String) {
      handle.deliverMethod(name: name, requestID: "1", payload: []) {
        undelivered.withLock { $0.append(name) }
      }
    }
    deliver("a")
    #expect(try !client.received().isEmpty)
    deliver("b")
    #expect(try client.received().isEmpty)
    client.leave()
    deliver("a")
    #expect(undelivered.withLock { $0 } == ["b", "a"])
  }
}

/// A client of a connection without a socket.
private final class Client {
  let backend: FakeBackend
  private let channel: EmbeddedChannel
  private var identifier: UInt16 = 0

  init(session: [(filter: String, quality: UInt8)]? = nil, quotas: Quotas = Quotas()) throws {
    backend = try FakeBackend(session: session)
    let loop = EmbeddedEventLoop()
    channel = EmbeddedChannel(loop: loop)
    let shared = DeviceLoop(
      eventLoop: loop,
      backend: backend,
      log: nil,
      limits: DeviceLimits(quotas: quotas, connectSeconds: 30),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    )
    let connection = DeviceConnection(loop: shared, peer: PeerCertificates(eventLoop: loop))
    try channel.pipeline.syncOperations.addHandler(connection)
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
  }

  func connect(will: Will? = nil) throws {
    let request = ConnectRequest(
      clientIdentifier: Array("d".utf8),
      cleanSession: true,
      keepAliveSeconds: 60,
      will: will
    )
    try send { writer throws(MQTTFault) in try PacketEncoder.connect(request, to: &writer) }
  }

  func subscribe(_ filter: String) throws {
    identifier += 1
    let (number, bytes) = (identifier, Array(filter.utf8))
    try send { writer throws(MQTTFault) in
      try PacketEncoder.subscribe(
        packetIdentifier: number,
        [(filter: bytes, qos: .atLeastOnce)],
        to: &writer
      )
    }
  }

  func unsubscribe(_ filter: String) throws {
    identifier += 1
    let (number, bytes) = (identifier, Array(filter.utf8))
    try send { writer throws(MQTTFault) in
      try PacketEncoder.unsubscribe(packetIdentifier: number, [bytes], to: &writer)
    }
  }

  /// What the hub has sent since it was asked last.
  func received() throws -> [UInt8] {
    var bytes: [UInt8] = []
    while let buffer = try channel.readOutbound(as: ByteBuffer.self) {
      bytes += buffer.readableBytesView
    }
    return bytes
  }

  /// The link breaks.
  func leave() { channel.pipeline.fireChannelInactive() }

  private func send(_ encode: (inout ByteWriter) throws(MQTTFault) -> Void) throws {
    var writer = ByteWriter()
    try encode(&writer)
    try channel.writeInbound(ByteBuffer(bytes: writer.bytes))
  }
}
