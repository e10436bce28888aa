import ByteIO
import Endpoints
import HTTPTypes
import HubContract
import HummingbirdCore
import Logging
import MQTT
import NIOCore
import NIOPosix
import Platform
import ServiceLifecycle
import Testing

@Suite("Ways to the hub (docs/edge/uplink.md)", .serialized, .timeLimit(.minutes(1)))
struct UplinkWayTests {
  private static let authorization = "Basic \(Base64.encode(Array("ed ge:p@ss:word".utf8)))"

  /// The hub's other ports: MQTT over TLS, and WebSockets in the clear and over TLS.
  private struct Ports: Sendable {
    let mqtt: Int
    let webSocket: Int
    let secureWebSocket: Int
    let tls: ClientTLS
  }

  /// Runs `body` while the plant's hub listens on these ports, too.
  private func withPorts(
    _ plant: UplinkPlant,
    _ body: (Ports) async throws -> Void
  ) async throws {
    let authority = try CertificateMaker.makeAuthority(commonName: "Test")
    let made = try CertificateMaker.makeServer(names: ["127.0.0.1"], authority: authority)
    let server = try ServerTLS(
      certificateChainPEM: Array(made.certificatePEM.utf8),
      privateKeyPEM: Array(made.privateKeyPEM.utf8)
    )
    let mqtt = try await MQTTListener(
      group: plant.eventLoop,
      host: "127.0.0.1",
      port: 0,
      tls: server,
      loops: plant.loops
    )
    let plain = try await webSocket(plant, nil)
    let secure = try await webSocket(plant, server)
    let result: Result<Void, any Error>
    do {
      let ports = Ports(
        mqtt: mqtt.port,
        webSocket: plain.port,
        secureWebSocket: secure.port,
        tls: try ClientTLS(trustAnchorsPEM: Array(authority.certificatePEM.utf8))
      )
      result = .success(try await body(ports))
    } catch {
      result = .failure(error)
    }
    for task in [plain.task, secure.task] {
      task.cancel()
      await task.value
    }
    try result.get()
  }

  /// A shared port; its task ends when it is cancelled.
  private func webSocket(
    _ plant: UplinkPlant,
    _ tls: ServerTLS?
  ) async throws -> (port: Int, task: Task<Void, Never>) {
    let loops = plant.loops
    let (ports, bound) = AsyncStream.makeStream(of: Int.self)
    let server = SharedPortChannel(
      tls: tls,
      timeouts: SharedPortTimeouts(),
      connections: loops.sharedPort,
      responder: { _, writer, _ in try await writer.writeResponse(HTTPResponse(status: .notFound))
      },
      addStream: { channel, peer, _ in try loops.add(to: channel, peer: peer) }
    ).server(
      configuration: ServerConfiguration(
        address: .hostname("127.0.0.1", port: 0),
        serverName: nil
      ),
      onServerRunning: { bound.yield($0.localAddress?.port ?? 0) },
      eventLoopGroup: plant.eventLoop,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    )
    let task = Task { _ = try? await server.run() }
    for await port in ports { return (port, task) }
    return (0, task)
  }

  @Test(
    "TLS, WebSocket, and both, each of them straight and through a proxy with user and password"
  )
  func ways() async throws {
    try await UplinkPlant.run { plant in
      try await withPorts(plant) { ports in
        let relay = try await LoopbackRelay(
          to: 0,
          authorization: Self.authorization,
          on: plant.eventLoop
        )
        let url = "http://ed%20ge:p%40ss%3Aword@127.0.0.1:\(relay.port)"
        let proxy = try HTTPProxy(url)
        let rows: [(Int, ClientTLS?, Bool)] = [
          (plant.port, nil, false), (ports.mqtt, ports.tls, false), (ports.webSocket, nil, true),
          (ports.secureWebSocket, ports.tls, true),
        ]
        var asked: [String] = []
        for (number, row) in rows.enumerated() {
          for proxy in [nil, proxy] {
            let way = ClientWay(
              host: "127.0.0.1",
              port: row.0,
              tls: row.1,
              isWebSocket: row.2,
              proxy: proxy
            )
            try await plant.uplink(by: way) { owner in
              // Longer than one read, and than a frame of WebSocket with a short length.
              let body = String(repeating: "x", count: 100_000)
              try await owner.ask { owner in
                owner.enqueue([(UplinkPlant.leaf1, "\(number)"), (UplinkPlant.leaf1, body)])
              }
              try await owner.until("way \(number)") { $0.acknowledged == 2 }
            }
            if proxy != nil { asked.append("CONNECT 127.0.0.1:\(row.0) HTTP/1.1") }
          }
        }
        let heads = relay.heads.map { String($0.prefix { $0 != "\r\n" }) }
        #expect(heads == asked)
        let seen = try await plant.events(of: UplinkPlant.leaf1).map(\.count)
        #expect(seen == Array(repeating: [1, 100_000], count: 8).flatMap { $0 })
        await relay.close()
      }
    }
  }

  @Test("A way that leads nowhere is followed by the next")
  func nextWay() async throws {
    try await UplinkPlant.run { plant in
      let relay = try await LoopbackRelay(to: plant.port, on: plant.eventLoop)
      let closed = ClientWay(host: "127.0.0.1", port: relay.port, tls: nil)
      await relay.close()
      let open = ClientWay(host: "127.0.0.1", port: plant.port, tls: nil)
      try await plant.uplink(by: closed) { owner in
        try await owner.ask { $0.uplink.settings.ways.append(open) }
        try await owner.until("connected") { $0.connections == 1 }
      }
    }
  }

  @Test("A proxy that refuses, and answers that are none, are told")
  func refusals() async throws {
    try await UplinkPlant.run { plant in
      func fault(_ way: ClientWay) async -> String {
        do {
          let link = try await ClientLink.open(
            way,
            request: ConnectRequest(
              clientIdentifier: Array("x".utf8),
              cleanSession: true,
              keepAliveSeconds: 60
            ),
            on: plant.eventLoop
          )
          await link.close()
          return "connected"
        } catch {
          return "\(error)"
        }
      }
      let relay = try await LoopbackRelay(
        to: 0,
        authorization: Self.authorization,
        on: plant.eventLoop
      )
      for url in ["http://127.0.0.1:\(relay.port)", "http://a:b@127.0.0.1:\(relay.port)"] {
        let way = ClientWay(
          host: "127.0.0.1",
          port: plant.port,
          tls: nil,
          proxy: try HTTPProxy(url)
        )
        let told = await fault(way)
        #expect(told.contains("does not accept the user or the password"), "\(told)")
        #expect(!told.contains("a:b"))
      }
      await relay.close()
      let answers: [(String, String)] = [
        ("", "closed without an answer"), ("nonsense\r\n\r\n", "no answer of HTTP"),
        ("HTTP/1.1 2000 OK\r\n\r\n", "no answer of HTTP"),
        ("HTTP/1.1 503 Busy\r\n\r\n", "answers 503"),
        (String(repeating: "x", count: 20_000), "too long"),
      ]
      for (answer, expected) in answers {
        let speaker = try await Speaker.listen(answer, on: plant.eventLoop)
        let port = speaker.localAddress?.port ?? 0
        let proxied = ClientWay(
          host: "127.0.0.1",
          port: plant.port,
          tls: nil,
          proxy: try HTTPProxy("http://127.0.0.1:\(port)")
        )
        let told = await fault(proxied)
        #expect(told.contains(expected) && told.contains("proxy"), "\(told)")
        let webSocket = ClientWay(host: "127.0.0.1", port: port, tls: nil, isWebSocket: true)
        let second = await fault(webSocket)
        #expect(second.contains("WebSocket"), "\(second)")
        try await speaker.close()
      }
    }
  }

  @Test("A proxy's URL, and what is wrong with one")
  func urls() throws {
    let good: [(String, String, Int, String?, String?)] = [
      ("http://proxy", "proxy", 80, nil, nil), ("HTTP://proxy:3128/", "proxy", 3_128, nil, nil),
      ("http://u:p%40%3A@proxy:1", "proxy", 1, "u", "p@:"),
      ("http://u@proxy", "proxy", 80, "u", ""),
      ("http://[::1]:8080", "::1", 8_080, nil, nil), ("http://[fe80::1]", "fe80::1", 80, nil, nil),
    ]
    for (url, host, port, user, password) in good {
      let proxy = try HTTPProxy(url)
      #expect(proxy.host == host && proxy.port == port, "\(url)")
      #expect(proxy.user == user && proxy.password == password, "\(url)")
      #expect(!"\(proxy)".contains("@"), "\(url)")
    }
    let bad: [(String, HTTPProxyFault)] = [
      ("", .otherScheme), ("proxy:80", .otherScheme), ("https://proxy", .otherScheme),
      ("http://", .noHost), ("http://:80", .noHost), ("http://[::1", .noHost),
      ("http://[::1]x", .noHost), ("http://a b", .noHost), ("http://proxy:", .noPort),
      ("http://proxy:0", .noPort), ("http://proxy:65536", .noPort), ("http://proxy:x", .noPort),
      ("http://u%:p@proxy", .brokenEscape), ("http://a%3Ab:p@proxy", .brokenEscape),
      ("http://u:%zz@proxy", .brokenEscape),
    ]
    for (url, fault) in bad {
      #expect(throws: fault, "\(url)") { try HTTPProxy(url) }
    }
  }

  @Test("Waits grow to the longest, at random in their second halves, and begin anew")
  func delays() {
    var random = SeededGenerator(seed: 1)
    var delay = ReconnectDelay()
    for whole in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] as [UInt64] {
      #expect((whole / 2...whole).contains(delay.take(using: &random)))
    }
    delay.reset()
    #expect((500...1_000).contains(delay.take(using: &random)))
  }
}

/// Says one thing to whoever says anything, and hangs up.
private final class Speaker: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let answer: String

  private init(_ answer: String) { self.answer = answer }

  static func listen(_ answer: String, on eventLoop: any EventLoop) async throws -> any Channel {
    try await ServerBootstrap(group: eventLoop)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Speaker(answer))
        }
      }
      .bind(host: "127.0.0.1", port: 0)
      .get()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
    context.close(promise: nil)
  }
}
