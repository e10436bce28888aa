package import Endpoints
import Glibc
import HTTPTypes
import HummingbirdCore
import JSONTree
package import Logging
import NIOCore
import NIOPosix
import Platform
import ServiceLifecycle

/// Serves one of the edge's own APIs: HTTP/1.1 on a unix socket or a loopback port, JSON in and out,
/// within bounds of size, time and number.
package struct LocalListener: Service {
  package typealias Respond = @Sendable (LocalRequest) async throws -> LocalAnswer

  /// Bytes of a request's head.
  package static let headLimit = 16_384
  /// Bytes of a body: what is encrypted may be a whole deployment.
  package static let bodyLimit = 2 << 20
  /// Seconds in which a body must have come.
  private static let bodySeconds = 10
  /// Seconds after which a connection that sends nothing is closed.
  private static let idleSeconds: Int64 = 60
  private static let connectionLimit = 512

  private let server: Server<HTTP1Channel>

  /// A listener; it binds when it runs.
  ///
  /// - Parameters:
  ///   - address: Where it listens; a socket that is there already is taken over.
  ///   - mode: Access to the socket, whatever the process's mask says.
  ///   - queue: How much is worked on at once.
  ///   - logger: For what goes wrong.
  ///   - onListening: Is called once it is bound.
  ///   - respond: Answers; a `LocalRefusal` that it throws becomes an answer too.
  package init(
    _ address: SocketAddressURI,
    mode: UInt32 = 0o666,
    queue: RequestQueue,
    logger: Logger,
    onListening: @escaping @Sendable () -> Void = {},
    respond: @escaping Respond
  ) {
    // What the server itself would tell is thrown, or is of no use: each socket that comes or goes.
    let quiet = Logger(label: "orrery.local") { _ in SwiftLogNoOpLogHandler() }
    let bindAddress: BindAddress =
      switch address {
      case .unix(let path): .unixDomainSocket(path: path)
      case .http(let host, let port): .hostname(host, port: port)
      }
    let channel = HTTP1Channel(
      responder: { request, writer, _ in
        let response = await Self.answer(request, queue, logger, respond)
        try await writer.write(response: response.head, body: response.body)
      },
      configuration: HTTP1Channel.Configuration(
        idleTimeout: .seconds(Self.idleSeconds),
        httpDecoderConfiguration: .init(
          maxHeaderFieldSize: Self.headLimit,
          maxHeaderListSize: Self.headLimit,
          maxHeaderFieldCount: 100
        )
      )
    )
    server = Server(
      childChannelSetup: channel,
      configuration: ServerConfiguration(
        address: bindAddress,
        serverName: nil,
        availableConnectionsDelegate: .maximum(Self.connectionLimit, logger: quiet)
      ),
      onServerRunning: { _ in
        if case .unix(let path) = address { _ = chmod(path, mode_t(mode)) }
        onListening()
      },
      eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
      logger: quiet
    )
  }

  package func run() async throws { try await server.run() }

  /// Lets `run` return when what is under way is answered.
  package func stop() async { try? await server.shutdownGracefully() }

  private static func answer(
    _ request: Request,
    _ queue: RequestQueue,
    _ logger: Logger,
    _ respond: Respond
  ) async -> Response {
    do {
      let target = try target(request)
      let body = try await body(request)
      let answer = try await queue.run {
        try await respond(LocalRequest(method: request.method, target: target, body: body))
      }
      return response(answer)
    } catch let refusal as LocalRefusal {
      return response(refusal)
    } catch is RequestQueue.Full {
      return response(
        LocalRefusal(.serviceUnavailable, "too many requests at once on this socket; ask again")
      )
    } catch {
      logger.error("a local request failed", metadata: ["error": "\(error)"])
      return response(LocalRefusal(.internalServerError, "\(error)"))
    }
  }

  private static func target(_ request: Request) throws(LocalRefusal) -> RequestTarget {
    do throws(RequestTarget.Fault) {
      return try RequestTarget(request.uri.description)
    } catch {
      throw LocalRefusal(.badRequest, "the path cannot be decoded")
    }
  }

  private static func body(_ request: Request) async throws -> [UInt8] {
    do {
      return try await withThrowingTaskGroup(of: [UInt8].self) { group in
        group.addTask {
          let buffer = try await request.body.collect(upTo: bodyLimit)
          return Array(buffer.readableBytesView)
        }
        group.addTask {
          try await Pause.sleep(for: .seconds(bodySeconds))
          throw LocalRefusal(.requestTimeout, "the body did not come within \(bodySeconds) s")
        }
        defer { group.cancelAll() }
        return try await group.next() ?? []
      }
    } catch let refusal as LocalRefusal {
      throw refusal
    } catch is NIOTooManyBytesError {
      throw LocalRefusal(.contentTooLarge, "the body has more than \(bodyLimit) bytes")
    } catch {
      throw LocalRefusal(.badRequest, "the body broke off")
    }
  }

  private static func response(_ refusal: LocalRefusal) -> Response {
    var response = response(
      LocalAnswer(refusal.status, ["message": .string(refusal.message)])
    )
    // The rest of a body that was not read is no request.
    if [408, 413].contains(refusal.status.code) { response.headers[.connection] = "close" }
    return response
  }

  private static func response(_ answer: LocalAnswer) -> Response {
    if let stream = answer.stream {
      let body = ResponseBody { writer in
        let (parts, inbox) = AsyncThrowingStream.makeStream(of: [UInt8].self)
        // Ended below, whichever way the answer ends.
        let source = Task {
          do {
            try await stream.write { inbox.yield($0) }
            inbox.finish()
          } catch {
            inbox.finish(throwing: error)
          }
        }
        defer { source.cancel() }
        for try await part in parts { try await writer.write(ByteBuffer(bytes: part)) }
        try await writer.finish(nil)
      }
      return Response(status: .ok, headers: [.contentType: stream.type], body: body)
    }
    guard let body = answer.body else { return Response(status: answer.status) }
    return Response(
      status: answer.status,
      headers: [.contentType: "application/json"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: JSON.bytes(body)))
    )
  }
}
