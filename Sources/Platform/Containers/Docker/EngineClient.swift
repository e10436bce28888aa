import AsyncHTTPClient
import ByteIO
import Glibc
import JSONTree
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Speaks the Docker Engine API over its unix socket, as Docker, Moby and Podman serve it.
final class EngineClient: Sendable {
  /// Where the engine listens: the path of its socket, or `http://host:port`.
  let address: String
  private let base: String
  private let client: HTTPClient
  /// The version of the API that both sides know, once the engine was asked.
  private let version = Mutex<String?>(nil)

  /// The newest version of the API that this was written for.
  static let newestVersion = "1.43"
  /// The most bytes of an answer that is kept whole: some thousand containers.
  static let answerLimit = 4 << 20
  /// Seconds that an answer may take, unless a call has another limit.
  static let answerSeconds: Int64 = 60
  /// Connections at once; a follower of a log holds one for as long as it follows.
  private static let connections = 256

  init(address: String) {
    self.address = address
    base =
      address.hasPrefix("http://")
      ? String(address.hasSuffix("/") ? address.dropLast() : address[...])
      : "http+unix://" + PercentCoding.encode(address)
    var configuration = HTTPClient.Configuration()
    configuration.timeout.connect = .seconds(10)
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = Self.connections
    configuration.httpVersion = .http1Only
    configuration.redirectConfiguration = .disallow
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  /// Ends all connections.
  func close() async { try? await client.shutdown() }

  /// Something to ask the engine.
  struct Request {
    var method = HTTPMethod.GET
    var path: [String]
    var query: [(name: String, value: String)] = []
    var headers: [(name: String, value: String)] = []
    var body: JSONValue?
    /// What it is about, for the text of a fault.
    var subject: String
    /// Seconds until the beginning of the answer.
    var seconds = EngineClient.answerSeconds
  }

  /// Asks, and waits for the whole answer.
  ///
  /// - Throws: `RuntimeFault` for every status that is no success.
  @discardableResult
  func perform(_ request: Request) async throws -> JSONValue {
    let response = try await send(request)
    do {
      let body = try await response.body.collect(upTo: Self.answerLimit)
      guard body.readableBytes > 0 else { return .null }
      return try JSON.parse(Array(body.readableBytesView))
    } catch let fault as JSONFault {
      throw RuntimeFault(
        .failed,
        "\(request.subject): the container engine at \(address) answered with what is no JSON, "
          + "\(fault). Is that the socket of a container engine?"
      )
    } catch {
      throw self.fault(error, request)
    }
  }

  /// Asks, and hands the body of the answer to `sink` as it comes.
  ///
  /// - Parameters:
  ///   - request: what to ask.
  ///   - sink: takes the parts.
  /// - Throws: `RuntimeFault`, and what `sink` throws.
  func stream(
    _ request: Request,
    to sink: ([UInt8]) async throws -> Void
  ) async throws {
    let response = try await send(request, isStream: true)
    var parts = response.body.makeAsyncIterator()
    while true {
      let part: ByteBuffer?
      do {
        part = try await parts.next()
      } catch {
        throw self.fault(error, request)
      }
      guard let part else { return }
      try await sink(Array(part.readableBytesView))
    }
  }

  private func send(
    _ request: Request,
    isStream: Bool = false
  ) async throws -> HTTPClientResponse {
    let prefix = request.path.first == "version" ? [] : ["v" + (try await commonVersion())]
    var target = (prefix + request.path).map { "/" + PercentCoding.encode($0) }.joined()
    for (index, parameter) in request.query.enumerated() {
      target += index == 0 ? "?" : "&"
      target += "\(parameter.name)=\(PercentCoding.encode(parameter.value))"
    }
    var message = HTTPClientRequest(url: base + target)
    message.method = request.method
    message.headers.add(name: "Host", value: "engine")
    for header in request.headers { message.headers.add(name: header.name, value: header.value) }
    if let body = request.body {
      message.headers.add(name: "Content-Type", value: "application/json")
      message.body = .bytes(ByteBuffer(bytes: JSON.bytes(body)))
    }
    let response: HTTPClientResponse
    do {
      // The limit is one for the whole answer; a stream goes on for as long as somebody reads it.
      let limit: TimeAmount = isStream ? .hours(24 * 365) : .seconds(request.seconds)
      response = try await client.execute(message, timeout: limit)
    } catch {
      throw fault(error, request)
    }
    let status = Int(response.status.code)
    // 304: it is as it is to be.
    guard !(200..<300).contains(status), status != 304 else { return response }
    let body = try? await response.body.collect(upTo: 64 << 10)
    let text = body.map { String(decoding: $0.readableBytesView, as: UTF8.self) } ?? ""
    throw refusal(status, text, request)
  }

  /// The version to speak; asks the engine the first time.
  private func commonVersion() async throws -> String {
    if let version = version.withLock({ $0 }) { return version }
    let answer = try await perform(Request(path: ["version"], subject: "Asking for its version"))
    let spoken = Self.version(
      engine: answer["ApiVersion"]?.stringValue,
      oldest: answer["MinAPIVersion"]?.stringValue
    )
    guard let spoken else {
      throw RuntimeFault(
        .failed,
        "what listens at \(address) tells no version of the Docker Engine API. Is that the "
          + "socket of a container engine?"
      )
    }
    version.withLock { $0 = spoken }
    return spoken
  }

  /// The version that both sides know: the newest that this was written for, unless the engine is
  /// older, or has forgotten it.
  static func version(engine: String?, oldest: String?) -> String? {
    func minor(_ text: String?) -> Int? {
      guard let text, text.hasPrefix("1.") else { return nil }
      return Int(text.dropFirst(2)).flatMap { (0...10_000).contains($0) ? $0 : nil }
    }
    guard let engine = minor(engine), let own = minor(newestVersion) else { return nil }
    return "1.\(max(min(own, engine), minor(oldest) ?? 0))"
  }

  // MARK: Faults

  private func refusal(_ status: Int, _ text: String, _ request: Request) -> RuntimeFault {
    let message = (try? JSON.parse(text))?["message"]?.stringValue ?? String(text.prefix(400))
    let code: RuntimeFault.Code =
      switch status {
      case 404: .notFound
      case 409: .conflict
      case 400..<500: .refused
      default: .failed
      }
    return RuntimeFault(
      code,
      "\(request.subject): \(message.isEmpty ? "status \(status)" : message)"
    )
  }

  private func fault(_ error: any Error, _ request: Request) -> any Error {
    if error is CancellationError || error is RuntimeFault { return error }
    if let error = error as? HTTPClientError {
      switch error {
      case .cancelled: return CancellationError()
      case .deadlineExceeded, .readTimeout:
        return RuntimeFault(
          .timedOut,
          "\(request.subject): the container engine at \(address) did not answer within "
            + "\(request.seconds) seconds."
        )
      default: return unreachable(request, error.shortDescription)
      }
    }
    if let error = error as? IOError { return unreachable(request, error.errnoCode) }
    if let error = error as? NIOConnectionError,
      let first = error.connectionErrors.first?.error as? IOError
    {
      return unreachable(request, first.errnoCode)
    }
    return unreachable(request, "\(error)")
  }

  private func unreachable(_ request: Request, _ number: Int32) -> RuntimeFault {
    let remedy =
      switch number {
      case ENOENT, ECONNREFUSED: " Is it installed, and does it run?"
      case EACCES, EPERM:
        " The user that runs this (number \(geteuid())) must be allowed to use that socket; it often "
          + "takes membership in the group docker."
      default: ""
      }
    return unreachable(request, "\(String(cString: strerror(number))).\(remedy)")
  }

  private func unreachable(_ request: Request, _ reason: String) -> RuntimeFault {
    RuntimeFault(
      .unreachable,
      "\(request.subject): no container engine answers at \(address): \(reason)"
    )
  }
}
