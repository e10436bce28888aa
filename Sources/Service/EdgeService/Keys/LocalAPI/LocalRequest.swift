package import Endpoints
package import HTTPTypes
package import JSONTree

/// A request on one of the edge's own sockets, read whole.
package struct LocalRequest: Sendable {
  package let method: HTTPRequest.Method
  package let target: RequestTarget
  package let body: [UInt8]

  package init(method: HTTPRequest.Method, target: RequestTarget, body: [UInt8]) {
    self.method = method
    self.target = target
    self.body = body
  }

  /// The path's segments, decoded.
  package var path: [String] { target.segments }

  /// The body as an object.
  ///
  /// - Throws: `LocalRefusal`, 400.
  package func object() throws(LocalRefusal) -> JSONObject {
    let json: JSONValue
    do {
      json = try JSON.parse(body)
    } catch {
      throw LocalRefusal(.badRequest, "the body is not JSON: \(error)")
    }
    guard let object = json.objectValue else {
      throw LocalRefusal(.badRequest, "the body must be a JSON object")
    }
    return object
  }
}

/// An answer on one of the edge's own sockets.
package struct LocalAnswer: Sendable {
  package let status: HTTPResponse.Status
  /// Nil for none.
  package let body: JSONValue?
  /// What is written bit by bit in place of a body, and its type.
  package let stream: (type: String, write: Stream)?

  /// Writes an answer; it is handed what takes the parts.
  package typealias Stream =
    @Sendable (_ part: ([UInt8]) async throws -> Void) async throws -> Void

  package init(_ status: HTTPResponse.Status, _ body: JSONValue? = nil) {
    self.status = status
    self.body = body
    stream = nil
  }

  /// A success that is written bit by bit; a fault on the way breaks it off.
  package init(type: String, stream: @escaping Stream) {
    status = .ok
    body = nil
    self.stream = (type, stream)
  }
}

/// A request that is not done: a status and a text for people, `{"message": …}` on the wire.
package struct LocalRefusal: Error, Equatable, CustomStringConvertible {
  package let status: HTTPResponse.Status
  package let message: String

  package init(_ status: HTTPResponse.Status, _ message: String) {
    self.status = status
    self.message = message
  }

  package var description: String { "\(status.code): \(message)" }
}
