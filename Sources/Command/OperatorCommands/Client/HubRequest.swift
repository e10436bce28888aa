import ByteIO

/// A request to the hub's REST interface, without what every request has.
package struct HubRequest: Equatable, Sendable {
  /// The verb.
  package enum Method: String, Sendable {
    /// Reads.
    case get = "GET"
    /// Creates or replaces.
    case put = "PUT"
    /// Changes a part.
    case patch = "PATCH"
    /// Does something.
    case post = "POST"
    /// Deletes.
    case delete = "DELETE"
  }

  /// The verb.
  package var method: Method
  /// The path's segments, not encoded.
  package var path: [String]
  /// Query parameters, not encoded, besides `api-version`.
  package var query: [(name: String, value: String)] = []
  /// Headers, besides the authorization.
  package var headers: [(name: String, value: String)] = []
  /// The body.
  package var body: [UInt8]?
  /// How long to wait for the whole answer, in seconds.
  package var timeoutSeconds: Int64 = 60

  /// Creates a request.
  package init(_ method: Method, _ path: [String]) {
    self.method = method
    self.path = path
  }

  /// The version of the interface that the commands speak (contract §7.1).
  package static let apiVersion = "2021-04-12"

  /// Path and query as they go over the wire.
  package var target: String {
    let path = path.map { "/" + PercentCoding.encode($0) }.joined()
    let pairs = query + [(name: "api-version", value: Self.apiVersion)]
    let text = pairs.map { "\($0.name)=\(PercentCoding.encode($0.value))" }.joined(separator: "&")
    return "\(path)?\(text)"
  }

  /// Whether both are the same on the wire.
  package static func == (first: HubRequest, second: HubRequest) -> Bool {
    first.method == second.method && first.target == second.target && first.body == second.body
      && first.headers.elementsEqual(second.headers, by: ==)
  }
}
