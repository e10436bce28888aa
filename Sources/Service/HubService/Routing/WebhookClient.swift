import AsyncHTTPClient
import Endpoints
import HubContract
import HubEngine
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Platform

/// Posts to webhooks: over TLS that is verified, one answer a request, no redirections.
struct WebhookClient: Sendable {
  /// Seconds that making a connection may take.
  private static let connectSeconds: Int64 = 10
  /// Connections to one host at most: above what all partitions of all endpoints use at once, since
  /// one that hangs must not keep another waiting.
  private static let connectionsPerHost = 1024
  /// What is read of an answer's body, for the connection's sake; a longer one costs it.
  private static let answerBytes = 64 << 10

  private let client: HTTPClient

  /// Makes a client that trusts the system's authorities and `authorities`; `close` it.
  init(trusting authorities: [NIOSSLCertificate]) {
    var tls = TLSConfiguration.makeClientConfiguration()
    if !authorities.isEmpty { tls.additionalTrustRoots = [.certificates(authorities)] }
    client = HTTPClient(
      tls: tls,
      connectSeconds: Self.connectSeconds,
      connectionsPerHost: Self.connectionsPerHost
    )
  }

  /// Posts `body`, and waits for the answer as long as `endpoint` lets it.
  func post(
    _ body: [UInt8],
    type: String,
    secret: (header: String, value: String)?,
    to endpoint: WebhookEndpoint
  ) async -> DeliveryAnswer {
    var request = HTTPClientRequest(url: endpoint.uri)
    request.method = .POST
    request.headers.add(name: "Content-Type", value: type)
    request.headers.add(name: "User-Agent", value: "orrery")
    if let secret { request.headers.add(name: secret.header, value: secret.value) }
    request.body = .bytes(ByteBuffer(bytes: body))
    do {
      let response = try await client.execute(
        request,
        timeout: .seconds(Int64(endpoint.timeoutSeconds))
      )
      let status = Int(response.status.code)
      let failure = EndpointDelivery.Failure(
        status: status,
        retryAfter: response.headers.first(name: "Retry-After"),
        now: Timestamp(ticks: SystemClock.wallTicks())
      )
      await Self.drain(response.body)
      return failure.map { .failed($0, reason: "it answered \(status)") } ?? .taken
    } catch {
      let reason = RequestFailure.reason(
        error,
        connectSeconds: Self.connectSeconds,
        seconds: Int64(endpoint.timeoutSeconds),
        setting: "routing.webhook_ca"
      )
      return .failed(.unavailable, reason: reason)
    }
  }

  func close() async { try? await client.shutdown() }

  /// Reads the rest of an answer so that its connection can be used again; one that is long or slow
  /// is let go of with its connection.
  private static func drain(_ body: HTTPClientResponse.Body) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        var count = 0
        var parts = body.makeAsyncIterator()
        while count < answerBytes, let part = try? await parts.next() {
          count += part.readableBytes
        }
      }
      group.addTask { try? await Pause.sleep(for: .seconds(1)) }
      await group.next()
      group.cancelAll()
    }
  }
}
