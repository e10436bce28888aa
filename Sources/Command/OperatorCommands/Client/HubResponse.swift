package import JSONTree

/// The hub's answer to a request.
package struct HubResponse: Sendable {
  /// The HTTP status.
  package var status: Int
  /// The headers.
  package var headers: [(name: String, value: String)]
  /// The body, empty if there is none.
  package var body: [UInt8]

  /// Creates an answer.
  package init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// Whether the hub did what was asked.
  package var isSuccess: Bool { (200...299).contains(status) }

  /// The value of a header, whose name has no case.
  package func header(_ name: String) -> String? {
    let wanted = name.lowercased()
    return headers.first { $0.name.lowercased() == wanted }?.value
  }

  /// The body as JSON.
  package func json() throws(CommandFailure) -> JSONValue {
    do throws(JSONFault) {
      // Messages and answers of devices, nested as deep as the hub takes them, stand inside of it.
      let limits = JSONLimits(maxBytes: 256 << 20, maxDepth: 512, maxNodes: 64 << 20)
      return try JSON.parse(body, limits: limits)
    } catch {
      throw CommandFailure(
        .failure,
        "the hub answered something that is no JSON: \(error)",
        remedy: "Is it a hub that listens there? Check host and port."
      )
    }
  }
}
