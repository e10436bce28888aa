import Containers
import EdgeEngine
import Glibc
import JSONTree
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A container engine as small as a test needs, on a unix socket.
final class FakeEngine: Sendable {
  struct Request: Sendable {
    let method: String
    let uri: String
    let headers: [(name: String, value: String)]
    let body: [UInt8]

    /// The path without version and query.
    var path: String {
      let path = uri.prefix { $0 != "?" }
      return path.hasPrefix("/v1.") ? String(path.dropFirst(1).drop { $0 != "/" }) : String(path)
    }
  }

  enum Answer: Sendable {
    case text(Int, String)
    case parts(Int, [[UInt8]])
    /// An empty body, with a header.
    case header(Int, String, String)
    /// Bytes that need not be HTTP, and then the end of the connection.
    case bytes([UInt8])
  }

  let socketPath: String
  private let seen = Mutex<[Request]>([])
  private let answer: @Sendable (Request) -> Answer?

  /// What was asked so far.
  var requests: [Request] { seen.withLock { $0 } }

  private init(_ answer: @escaping @Sendable (Request) -> Answer?) {
    socketPath = "/tmp/fake-engine-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
    self.answer = answer
  }

  /// Runs `body` with a runtime that talks to an engine which answers by `answer`; what that leaves
  /// out is answered with 404, and the version is always told.
  static func run(
    _ answer: @escaping @Sendable (Request) -> Answer?,
    _ body: (DockerRuntime, FakeEngine) async throws -> Void
  ) async throws {
    let engine = FakeEngine(answer)
    let server = try await engine.server().bind(unixDomainSocketPath: engine.socketPath).get()
    let runtime = DockerRuntime(address: engine.socketPath, networkID: "edge")
    do {
      try await body(runtime, engine)
    } catch {
      await runtime.close()
      try await server.close()
      throw error
    }
    await runtime.close()
    try await server.close()
    unlink(engine.socketPath)
  }

  private func server() -> ServerBootstrap {
    ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { [self] channel in
        channel.eventLoop.makeCompletedFuture {
          let sync = channel.pipeline.syncOperations
          try sync.configureHTTPServerPipeline(withErrorHandling: false)
          try sync.addHandler(Handler(self))
        }
      }
  }

  /// Runs `body` with the address of a server of this machine that answers by `answer`.
  static func listen(
    _ answer: @escaping @Sendable (Request) -> Answer?,
    _ body: (String, FakeEngine) async throws -> Void
  ) async throws {
    let engine = FakeEngine(answer)
    let server = try await engine.server().bind(host: "127.0.0.1", port: 0).get()
    do {
      try await body("127.0.0.1:\(server.localAddress?.port ?? 0)", engine)
    } catch {
      try await server.close()
      throw error
    }
    try await server.close()
  }

  private func respond(to request: Request) -> Answer {
    seen.withLock { $0.append(request) }
    if let answer = answer(request) { return answer }
    if request.path == "/version" {
      return .text(
        200,
        #"{"ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux","Arch":"amd64"}"#
      )
    }
    return .text(404, #"{"message":"no such thing"}"#)
  }

  private final class Handler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let engine: FakeEngine
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []

    init(_ engine: FakeEngine) { self.engine = engine }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch unwrapInboundIn(data) {
      case .head(let head): (self.head, body) = (head, [])
      case .body(let buffer): body += buffer.readableBytesView
      case .end:
        guard let head else { return }
        let request = Request(
          method: head.method.rawValue,
          uri: head.uri,
          headers: head.headers.map { (name: $0.name, value: $0.value) },
          body: body
        )
        send(engine.respond(to: request), context)
      }
    }

    private func send(_ answer: Answer, _ context: ChannelHandlerContext) {
      switch answer {
      case .text(let status, let text): send(.parts(status, [Array(text.utf8)]), context)
      case .parts(let status, let parts):
        let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status))
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        for part in parts {
          context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: part)))), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
      case .header(let status, let name, let value):
        let head = HTTPResponseHead(
          version: .http1_1,
          status: .init(statusCode: status),
          headers: [name: value, "Content-Length": "0"]
        )
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
      case .bytes(let bytes):
        let channel = context.channel
        let encoder = try? context.pipeline.syncOperations.context(
          handlerType: HTTPResponseEncoder.self
        )
        encoder?.writeAndFlush(NIOAny(ByteBuffer(bytes: bytes)), promise: nil)
        channel.close(promise: nil)
      }
    }
  }
}
