import Endpoints
import HTTPTypes
import HummingbirdCore
import JSONTree
import NIOCore

/// The local hub's HTTPS: finds who answers a request.
struct LocalHubRequests: Sendable {
  private let methods: MethodRequests
  private let edges: EdgeRequests
  private let proxy: CertificateProxy

  init(hub: LocalHub) {
    proxy = CertificateProxy(hub: hub)
    methods = MethodRequests(hub: hub)
    edges = EdgeRequests(hub: hub)
  }

  /// Answers a request; `chain` is what the client showed in the handshake.
  func respond(
    to request: Request,
    chain: @escaping @Sendable () async -> PresentedChain
  ) async -> Response {
    guard (request.head.path ?? "").hasPrefix("/devices/") else {
      return await methods.respond(to: request)
    }
    let leaf = proxy.certificate(
      request.headers[.forwardedCertificate],
      authorization: request.headers[.authorization]
    )
    guard let leaf else { return await edges.respond(to: request, chain: chain) }
    return await edges.respond(to: request, isForwarded: true) { .forwarded(leaf) }
  }
}

/// Why a request is not served.
struct RequestRefusal: Error {
  let status: Int
  let message: String

  init(_ status: Int, _ message: String) {
    self.status = status
    self.message = message
  }
}

extension Request {
  /// The body.
  ///
  /// - Throws: 413 for more than `limit` bytes, 400 for one that breaks off.
  func read(upTo limit: Int) async throws(RequestRefusal) -> [UInt8] {
    var bytes: [UInt8] = []
    do {
      for try await buffer in body {
        guard buffer.readableBytes <= limit - bytes.count else {
          throw RequestRefusal(413, "The body has more than \(limit) bytes.")
        }
        bytes.append(contentsOf: buffer.readableBytesView)
      }
    } catch let refusal as RequestRefusal {
      throw refusal
    } catch {
      throw RequestRefusal(400, "The body broke off.")
    }
    return bytes
  }
}

extension Response {
  /// An answer of JSON.
  init(json: JSONValue, status: Int) {
    self.init(
      status: HTTPResponse.Status(code: status),
      headers: [.contentType: "application/json; charset=utf-8"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: JSON.bytes(json)))
    )
  }
}
