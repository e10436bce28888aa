import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Platform

/// Sends the provisioning service's requests, to webhooks and linked hubs: over verified TLS, one
/// answer a request, no redirections.
struct OutboundClient: Sendable {
  /// An answer, whatever its status.
  struct Answer: Equatable, Sendable {
    /// The status.
    var status: Int
    /// The body.
    var body: [UInt8]
  }

  /// Why there is no answer; holds no part of a request.
  struct Failure: Error, Equatable {
    /// The reason in words.
    var reason: String
  }

  /// Seconds that making a connection may take.
  private static let connectSeconds: Int64 = 5
  /// Bytes of an answer; more is no answer.
  private static let answerBytes = 1 << 20
  /// Connections to one host at most, so that many devices at once are no flood for it.
  private static let connectionsPerHost = 64

  private let client: HTTPClient
  /// The setting that names further authorities.
  private let setting: String

  /// Makes a client that trusts the system's authorities and those in the PEM file; `close` it.
  ///
  /// `identity` are the PEM files of the certificate and the key that it shows itself.
  ///
  /// - Throws: `SettingsFault` for a file that cannot be used, which `setting` names.
  init(
    authorities path: String?,
    identity: (certificate: String, privateKey: String)? = nil,
    setting: String
  ) throws {
    self.setting = setting
    var tls = TLSConfiguration.makeClientConfiguration()
    if let path {
      do {
        let text = try PrivateFile.read(path)
        tls.additionalTrustRoots = [.certificates(try NIOSSLCertificate.fromPEMBytes(text))]
      } catch let error as FileFault {
        throw SettingsFault("\(setting): \(error)", remedy: error.remedy)
      } catch {
        throw SettingsFault(
          "\(setting): \(path) holds no certificates in PEM",
          remedy: "Name a file with the certificates of the authorities, one after the other."
        )
      }
    }
    if let identity {
      do {
        let chain = try NIOSSLCertificate.fromPEMBytes(PrivateFile.read(identity.certificate))
        tls.certificateChain = chain.map { .certificate($0) }
        let key = try PrivateFile.read(identity.privateKey)
        tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: key, format: .pem))
      } catch let error as FileFault {
        throw SettingsFault("\(setting): \(error)", remedy: error.remedy)
      } catch {
        throw SettingsFault(
          "\(setting): \(identity.certificate) or \(identity.privateKey) is no PEM",
          remedy: "Name the files of a certificate and its private key."
        )
      }
    }
    client = HTTPClient(
      tls: tls,
      connectSeconds: Self.connectSeconds,
      connectionsPerHost: Self.connectionsPerHost
    )
  }

  /// Sends a request and waits at most `seconds` for the whole answer.
  func send(
    _ method: String,
    _ url: String,
    headers: [(String, String)],
    body: [UInt8]?,
    seconds: Int64
  ) async throws(Failure) -> Answer {
    var request = HTTPClientRequest(url: url)
    request.method = HTTPMethod(rawValue: method)
    request.headers.add(name: "User-Agent", value: "orrery")
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    if let body {
      if !request.headers.contains(name: "Content-Type") {
        request.headers.add(name: "Content-Type", value: "application/json; charset=utf-8")
      }
      request.body = .bytes(ByteBuffer(bytes: body))
    }
    do {
      let response = try await client.execute(request, timeout: .seconds(seconds))
      let bytes = try await response.body.collect(upTo: Self.answerBytes)
      return Answer(status: Int(response.status.code), body: Array(bytes.readableBytesView))
    } catch {
      guard !(error is NIOTooManyBytesError) else {
        throw Failure(reason: "its answer is longer than \(Self.answerBytes) bytes")
      }
      let reason = RequestFailure.reason(
        error,
        connectSeconds: Self.connectSeconds,
        seconds: seconds,
        setting: setting
      )
      throw Failure(reason: reason)
    }
  }

  func close() async { try? await client.shutdown() }
}
