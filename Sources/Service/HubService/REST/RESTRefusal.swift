import HubContract
import JSONTree

/// A refusal as a response tells it: what the rules said, and what HTTP adds.
struct RESTRefusal: Error {
  /// Code and text.
  var error: HubError
  /// The body's shape, where it is not the route's.
  var shape: HubErrorShape?
  /// When to come back, for 429 and 503.
  var retryAfterSeconds: UInt64?
  /// The methods that the path has, for 405.
  var allow: String?
  /// Whether the connection can't go on, because the body is not read to its end.
  var closesConnection = false
  /// What was wrong with the credential, for the log alone.
  var credentialFault: String?
  /// What it is where the table of codes has no number for it; the error's code does not count then.
  var unnumbered: Unnumbered?

  /// The refusals that have a status and a name alone.
  enum Unnumbered: String {
    /// The path or object is unknown.
    case notFound = "NotFound"
    /// It is there already.
    case conflict = "Conflict"

    /// The HTTP status.
    var status: Int {
      switch self {
      case .notFound: 404
      case .conflict: 409
      }
    }
  }

  init(
    _ error: HubError,
    shape: HubErrorShape? = nil,
    retryAfterSeconds: UInt64? = nil,
    allow: String? = nil
  ) {
    self.error = error
    self.shape = shape
    self.retryAfterSeconds = retryAfterSeconds
    self.allow = allow
  }

  /// 404 for a path, certificate or policy that does not exist.
  static func notFound(_ message: String) -> RESTRefusal { RESTRefusal(.notFound, message) }

  /// 409 for a directory that should be new.
  static func conflict(_ message: String) -> RESTRefusal { RESTRefusal(.conflict, message) }

  private init(_ unnumbered: Unnumbered, _ message: String) {
    self.init(HubError(.argumentInvalid, message))
    self.unnumbered = unnumbered
  }

  /// 401 whose text does not say which part of the credential was wrong.
  static var unauthorized: RESTRefusal {
    RESTRefusal(
      HubError(.iotHubUnauthorized, "The credential is missing, wrong or no longer valid.")
    )
  }

  /// The HTTP status.
  var status: Int { unnumbered?.status ?? error.code.httpStatus }

  /// The name in the header `iothub-errorcode`.
  var name: String { unnumbered?.rawValue ?? error.code.name }

  /// The body in the shape of the route, unless the refusal has its own.
  func body(_ routeShape: HubErrorShape, requestID: RequestID, time: Timestamp) -> JSONValue {
    if let unnumbered {
      return [
        "Message": .string("ErrorCode:\(unnumbered.rawValue);\(error.message)"),
        "ExceptionMessage": .string(
          "Tracking ID:\(requestID.trackingID)-G:0-TimeStamp:\(time.iso8601)"
        ),
      ]
    }
    return error.body(shape ?? routeShape, trackingID: requestID.trackingID, time: time)
  }
}
