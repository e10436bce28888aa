import AsyncHTTPClient
import Endpoints
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Platform

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
    try await collect(message(request, authorization), seconds: request.timeoutSeconds)
  }

  package func download(
    _ request: HubRequest,
    authorization: String,
    to sink: ([UInt8]) throws -> Void
  ) async throws -> HubResponse {
    try await execute(
      message(request, authorization),
      seconds: request.timeoutSeconds,
      to: sink
    )
  }

  private func message(_ request: HubRequest, _ authorization: String) -> HTTPClientRequest {
    let origin = "https://\(connection.urlHost):\(connection.httpsPort)"
    var message = HTTPClientRequest(url: origin + request.target)
    message.method = .init(rawValue: request.method.rawValue)
    message.headers.add(name: "Authorization", value: authorization)
    for header in request.headers { message.headers.add(name: header.name, value: header.value) }
    if let body = request.body { message.body = .bytes(ByteBuffer(bytes: body)) }
    return message
  }

  package func fetch(_ url: String) async throws -> HubResponse {
    try await collect(HTTPClientRequest(url: url), seconds: 5)
  }

  /// Sends a request and keeps the whole answer.
  private func collect(_ message: HTTPClientRequest, seconds: Int64) async throws -> HubResponse {
    var body: [UInt8] = []
    var answer = try await execute(message, seconds: seconds) { bytes in
      guard body.count + bytes.count <= Self.answerLimit else {
        throw CommandFailure(.failure, "the answer has more than \(Self.answerLimit) bytes")
      }
      body += bytes
    }
    if answer.isSuccess { answer.body = body }
    return answer
  }

  /// Sends a request, and hands the body of a success to `sink`; that of a refusal is in the answer.
  private func execute(
    _ message: HTTPClientRequest,
    seconds: Int64,
    to sink: ([UInt8]) throws -> Void
  ) async throws -> HubResponse {
    do {
      let response = try await client.execute(message, timeout: .seconds(seconds))
      var answer = HubResponse(
        status: Int(response.status.code),
        headers: response.headers.map { (name: $0.name, value: $0.value) }
      )
      if answer.isSuccess {
        for try await buffer in response.body { try sink(Array(buffer.readableBytesView)) }
      } else {
        let body = try await response.body.collect(upTo: Self.answerLimit)
        answer.body = Array(body.readableBytesView)
      }
      return answer
    } catch is CancellationError {
      throw CancellationError()
    } catch let fault as FileFault {
      throw fault
    } catch let failure as CommandFailure {
      throw failure
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
