import AsyncHTTPClient
package import Endpoints
package import JSONTree
import NIOCore
import NIOHTTP1
import NIOSSL
package import Platform

/// Speaks HTTPS to the hub above, the parent edge and the provisioning service: over verified TLS, one
/// answer a request, no redirections, through the proxy that the environment names.
package struct CloudClient: Sendable {
  /// An answer, whatever its status.
  package struct Answer: Sendable {
    package let status: Int
    /// The body, null where it is no JSON.
    package let body: JSONValue
    /// How long to wait before asking again, where it says so.
    package let retryAfterSeconds: Int64?

    /// What went wrong, as the body says, or the status.
    package var message: String {
      let names = ["Message", "message", "errorMessage"]
      let text = names.lazy.compactMap { body[$0]?.stringValue }.first
      return text.map { "\(status): \($0.prefix(512))" } ?? "\(status)"
    }
  }

  /// An answer whose body may be anything.
  struct RawAnswer: Sendable {
    let status: Int
    let body: [UInt8]
    let retryAfterSeconds: Int64?
  }

  /// Why there is no answer, in words that hold no part of the request.
  package struct Failure: Error, Equatable, CustomStringConvertible {
    package let description: String
  }

  private static let connectSeconds: Int64 = 10
  private static let answerBytes = 4 << 20

  private let client: HTTPClient
  private let seconds: Int64
  private let retries: Int
  /// The settings that name further authorities, for faults.
  private let authoritySettings: String
  /// Told the time that the other side says; it was verified by then.
  private let saw: @Sendable (Int64) -> Void

  /// Makes a client; `close` it.
  ///
  /// - Parameters:
  ///   - authorities: PEM files with authorities to trust besides the system's.
  ///   - authoritySettings: The settings that name them.
  ///   - identity: The PEM files of the certificate and the key that it shows.
  ///   - proxy: Where requests go through.
  ///   - seconds: How long an answer may take.
  ///   - retries: How often a request that got no answer is made again.
  ///   - saw: Is told the time in each answer.
  /// - Throws: `SettingsFault` for a file that cannot be used.
  package init(
    authorities: [String],
    authoritySettings: String = "upstream.ca_cert or trust_bundle_cert",
    identity: (chain: String, privateKey: String)?,
    proxy: HTTPProxy?,
    seconds: Int,
    retries: Int,
    saw: @escaping @Sendable (Int64) -> Void
  ) throws(SettingsFault) {
    var tls = try Self.tls(authorities)
    if let identity {
      tls.certificateChain = try Self.certificates(identity.chain).map { .certificate($0) }
      let bytes = try Self.read(identity.privateKey)
      guard let key = try? NIOSSLPrivateKey(bytes: bytes, format: .pem) else {
        throw SettingsFault("\(identity.privateKey) holds no private key in PEM without passphrase")
      }
      tls.privateKey = .privateKey(key)
    }
    var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
    configuration.timeout.connect = .seconds(Self.connectSeconds)
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.httpVersion = .http1Only
    configuration.redirectConfiguration = .disallow
    configuration.proxy = proxy?.client
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    self.seconds = Int64(seconds)
    self.retries = retries
    self.authoritySettings = authoritySettings
    self.saw = saw
  }

  /// Sends a request, again where there was no answer: what is sent must bear being done twice.
  package func send(
    _ method: String,
    _ url: String,
    headers: [(String, String)],
    body: JSONValue?
  ) async throws(Failure) -> Answer {
    var headers = headers
    if case .some = body {
      headers.append(("Content-Type", "application/json; charset=utf-8"))
    }
    let answer = try await exchange(
      method,
      url,
      headers: headers,
      body: body.map { JSON.bytes($0) }
    )
    return Answer(
      status: answer.status,
      body: (try? JSON.parse(answer.body)) ?? .null,
      retryAfterSeconds: answer.retryAfterSeconds
    )
  }

  /// Sends a request with a body of any kind, again where there was no answer.
  func exchange(
    _ method: String,
    _ url: String,
    headers: [(String, String)],
    body: [UInt8]?
  ) async throws(Failure) -> RawAnswer {
    var attempts = 0
    while true {
      do throws(Failure) {
        return try await once(method, url, headers: headers, body: body)
      } catch {
        guard attempts < retries, !Task.isCancelled else { throw error }
        attempts += 1
      }
    }
  }

  private func once(
    _ method: String,
    _ url: String,
    headers: [(String, String)],
    body: [UInt8]?
  ) async throws(Failure) -> RawAnswer {
    var request = HTTPClientRequest(url: url)
    request.method = HTTPMethod(rawValue: method)
    request.headers.add(name: "User-Agent", value: "orrery-edge")
    // Requests are rare, and a connection that idles is one more that the other side has to close.
    request.headers.add(name: "Connection", value: "close")
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
    do {
      let response = try await client.execute(request, timeout: .seconds(seconds))
      let bytes = try await response.body.collect(upTo: Self.answerBytes)
      let date = response.headers.first(name: "Date").flatMap { HTTPDate.seconds($0) }
      if let date { saw(date) }
      let now = date ?? SystemClock.wallMilliseconds() / 1_000
      return RawAnswer(
        status: Int(response.status.code),
        body: Array(bytes.readableBytesView),
        retryAfterSeconds: response.headers.first(name: "Retry-After").flatMap {
          HTTPDate.delay($0, from: now)
        }
      )
    } catch {
      throw Failure(description: reason(error))
    }
  }

  package func close() async { try? await client.shutdown() }

  private func reason(_ error: any Error) -> String {
    switch error {
    case let error as HTTPClientError where error == .connectTimeout:
      return "no connection within \(Self.connectSeconds) s"
    case let error as HTTPClientError where error == .deadlineExceeded:
      return "no answer within \(seconds) s"
    case let error as HTTPClientError: return error.shortDescription
    case is NIOTooManyBytesError: return "its answer is longer than \(Self.answerBytes) bytes"
    default:
      let text = "\(error)"
      guard text.contains("CERTIFICATE_VERIFY_FAILED") else { return text }
      return "its certificate is not trusted; name its authority in \(authoritySettings), and look "
        + "at this machine's clock"
    }
  }

  /// Verified TLS, with authorities to trust besides the system's.
  ///
  /// - Throws: `SettingsFault` for a file that cannot be used.
  static func tls(_ authorities: [String]) throws(SettingsFault) -> TLSConfiguration {
    var tls = TLSConfiguration.makeClientConfiguration()
    tls.minimumTLSVersion = .tlsv12
    tls.additionalTrustRoots = []
    for path in authorities {
      tls.additionalTrustRoots.append(.certificates(try certificates(path)))
    }
    return tls
  }

  private static func certificates(_ path: String) throws(SettingsFault) -> [NIOSSLCertificate] {
    let bytes = try read(path)
    guard let certificates = try? NIOSSLCertificate.fromPEMBytes(bytes), !certificates.isEmpty
    else { throw SettingsFault("\(path) holds no certificates in PEM") }
    return certificates
  }

  private static func read(_ path: String) throws(SettingsFault) -> [UInt8] {
    do throws(FileFault) {
      return try PrivateFile.read(path, limit: 1 << 20)
    } catch {
      throw SettingsFault("\(error)", remedy: error.remedy)
    }
  }
}

extension HTTPProxy {
  /// This as the client takes it.
  var client: HTTPClient.Configuration.Proxy {
    .server(
      host: host,
      port: port,
      authorization: user.map { .basic(username: $0, password: password ?? "") }
    )
  }
}
