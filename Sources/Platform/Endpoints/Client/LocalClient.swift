import AsyncHTTPClient
import ByteIO
package import JSONTree
import NIOCore
import NIOHTTP1

/// Asks one of an edge's own APIs, over a unix socket or a loopback port.
package struct LocalClient: Sendable {
  /// Why there is no answer.
  package struct Failure: Error, CustomStringConvertible {
    /// The status, nil where there was no answer at all.
    package let status: Int?
    package let description: String

    package init(status: Int?, _ description: String) {
      self.status = status
      self.description = description
    }
  }

  /// The version of the interfaces that is asked for.
  package static let newestVersion = "2022-08-03"

  private static let answerBytes = 8 << 20
  private static let seconds: Int64 = 30

  private let client: HTTPClient
  private let base: String
  private let address: SocketAddressURI

  /// A client; `close` it.
  package init(_ address: SocketAddressURI) {
    self.address = address
    base =
      switch address {
      case .unix(let path): "http+unix://" + PercentCoding.encode(path)
      case .http(let host, let port): "http://\(host):\(port)"
      }
    var configuration = HTTPClient.Configuration()
    configuration.timeout.connect = .seconds(5)
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.httpVersion = .http1Only
    configuration.redirectConfiguration = .disallow
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  package func close() async { try? await client.shutdown() }

  /// Sends a request; the segments of the path are encoded here.
  ///
  /// - Returns: the body, null where there is none.
  /// - Throws: `Failure`, for every status but those of success too.
  package func call(
    _ method: String,
    _ path: [String],
    version: String = LocalClient.newestVersion,
    body: JSONValue? = nil
  ) async throws(Failure) -> JSONValue {
    let path = path.map { "/" + PercentCoding.encode($0) }.joined()
    var request = HTTPClientRequest(url: "\(base)\(path)?api-version=\(version)")
    request.method = HTTPMethod(rawValue: method)
    if let body {
      request.headers.add(name: "Content-Type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: JSON.bytes(body)))
    }
    let (status, answer): (Int, JSONValue)
    do {
      let response = try await client.execute(request, timeout: .seconds(Self.seconds))
      let bytes = try await response.body.collect(upTo: Self.answerBytes)
      status = Int(response.status.code)
      answer = (try? JSON.parse(Array(bytes.readableBytesView))) ?? .null
    } catch {
      throw Failure(status: nil, "\(address) does not answer: \(error)")
    }
    guard (200..<300).contains(status) else {
      throw Failure(status: status, answer["message"]?.stringValue ?? "\(address): \(status)")
    }
    return answer
  }

  /// Asks for what is written bit by bit, and hands it to `sink` as it comes.
  ///
  /// - Throws: `Failure`, and what `sink` throws.
  package func stream(
    _ path: [String],
    query: [(name: String, value: String)] = [],
    to sink: ([UInt8]) throws -> Void
  ) async throws {
    var target = path.map { "/" + PercentCoding.encode($0) }.joined()
    target += "?api-version=\(Self.newestVersion)"
    for (name, value) in query { target += "&\(name)=\(PercentCoding.encode(value))" }
    let response: HTTPClientResponse
    do {
      // It goes on for as long as somebody reads it.
      response = try await client.execute(
        HTTPClientRequest(url: base + target),
        timeout: .hours(24 * 365)
      )
      guard response.status != .ok else {
        for try await part in response.body { try sink(Array(part.readableBytesView)) }
        return
      }
    } catch let error as HTTPClientError {
      throw Failure(status: nil, "\(address) does not answer: \(error.shortDescription)")
    }
    let status = Int(response.status.code)
    let bytes = try? await response.body.collect(upTo: Self.answerBytes)
    let answer = bytes.flatMap { try? JSON.parse(Array($0.readableBytesView)) }
    throw Failure(status: status, answer?["message"]?.stringValue ?? "\(address): \(status)")
  }
}
