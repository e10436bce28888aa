import AsyncHTTPClient
import Endpoints
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Carries requests over HTTPS.
package struct HTTPTransport: HubTransport {
  private let client: HTTPClient
  private let connection: HubConnection

  /// The most bytes of an answer: an export of some 300,000 identities.
  private static let answerLimit = 256 << 20

  /// Prepares the way to a hub; connects with the first request.
  package init(_ connection: HubConnection) throws(CommandFailure) {
    self.connection = connection
    var tls = TLSConfiguration.makeClientConfiguration()
    if let path = connection.trustAnchors {
      do {
        let certificates = try NIOSSLCertificate.fromPEMFile(path)
        tls.trustRoots = .certificates(certificates)
      } catch {
        throw CommandFailure(
          .usage,
          "cannot read certificates in PEM form from \(path)",
          remedy: "--ca or ORRERY_CA names the PEM file of the hub's authority."
        )
      }
    }
    var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
    configuration.timeout.connect = .seconds(10)
    // Whoever wants another attempt says so: a refused connection is an answer.
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.httpVersion = .http1Only
    configuration.redirectConfiguration = .disallow
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  package func send(_ request: HubRequest, authorization: String) async throws -> HubResponse {
    let origin = "https://\(connection.urlHost):\(connection.httpsPort)"
    var message = HTTPClientRequest(url: origin + request.target)
    message.method = .init(rawValue: request.method.rawValue)
    message.headers.add(name: "Authorization", value: authorization)
    for header in request.headers { message.headers.add(name: header.name, value: header.value) }
    if let body = request.body { message.body = .bytes(ByteBuffer(bytes: body)) }
    return try await execute(message, seconds: request.timeoutSeconds)
  }

  package func fetch(_ url: String) async throws -> HubResponse {
    try await execute(HTTPClientRequest(url: url), seconds: 5)
  }

  private func execute(_ message: HTTPClientRequest, seconds: Int64) async throws -> HubResponse {
    do {
      let response = try await client.execute(message, timeout: .seconds(seconds))
      let body = try await response.body.collect(upTo: Self.answerLimit)
      return HubResponse(
        status: Int(response.status.code),
        headers: response.headers.map { (name: $0.name, value: $0.value) },
        body: Array(body.readableBytesView)
      )
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      throw failure(error)
    }
  }

  package func close() async { try? await client.shutdown() }

  private func failure(_ error: any Error) -> any Error {
    let hub = "\(connection.urlHost):\(connection.httpsPort)"
    if let error = error as? HTTPClientError {
      switch error {
      case .cancelled: return CancellationError()
      case .connectTimeout:
        return unreachable(hub, "no connection within 10 seconds")
      case .deadlineExceeded, .readTimeout:
        return CommandFailure(.timedOut, "the hub at \(hub) did not answer in time")
      case .tlsHandshakeTimeout:
        return unreachable(hub, "it does not answer in TLS")
      default: return unreachable(hub, error.shortDescription)
      }
    }
    if error is NIOSSLError || error is BoringSSLError || error is NIOSSLExtraError {
      return CommandFailure(
        .unreachable,
        Self.isUntrusted(error)
          ? "the certificate of \(hub) is not trusted" : "TLS with \(hub) failed: \(error)",
        remedy: connection.trustAnchors == nil
          ? "Name the PEM file of the hub's authority with --ca or ORRERY_CA."
          : "Is \(connection.trustAnchors ?? "") the hub's authority, and '\(connection.host)' one "
            + "of the names in its certificate?"
      )
    }
    if let error = error as? NIOConnectionError {
      let reasons = error.connectionErrors.map { SystemError.text($0.error) }
      let lookup = (error.dnsAError ?? error.dnsAAAAError).map { "\($0)" }
      return unreachable(hub, reasons.first ?? lookup ?? "no address")
    }
    return unreachable(hub, "\(error)")
  }

  /// BoringSSL has no other way to tell it than its text.
  private static func isUntrusted(_ error: any Error) -> Bool {
    "\(error)".contains("CERTIFICATE_VERIFY_FAILED")
  }

  private func unreachable(_ hub: String, _ reason: String) -> CommandFailure {
    CommandFailure(
      .unreachable,
      "cannot reach the hub at \(hub): \(reason)",
      remedy: "Is it running, and are host and port right? Start one here with 'orrery hub'."
    )
  }
}
