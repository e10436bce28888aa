import Endpoints
public import JSONTree

/// A direct method that somebody calls, and waits for.
public struct MethodCall: Sendable {
  /// Its name.
  public let name: String
  /// What is given with it; null for nothing.
  public let payload: JSONValue

  init(name: String, payload: JSONValue) { (self.name, self.payload) = (name, payload) }
}

/// A call, and the connection on which its answer is waited for.
struct IncomingCall: Sendable {
  let call: MethodCall
  let requestID: String
  let link: ClientLink
}

/// What a direct method's caller gets.
public struct MethodAnswer: Sendable {
  /// By convention as in HTTP.
  public var status: Int
  /// The result.
  public var payload: JSONValue

  /// An answer; 200 means that it was done.
  public init(status: Int = 200, payload: JSONValue = .null) {
    (self.status, self.payload) = (status, payload)
  }
}
