import Endpoints
import HTTPTypes
import HubContract
import HummingbirdCore
import JSONTree

/// A request on its way through a route: matched, and allowed to go on.
struct RESTRequest: Sendable {
  /// The request as it came.
  let http: Request
  /// The path and query.
  let target: RequestTarget
  /// The values of the template's names.
  let parameters: [String: String]
  /// Who asks.
  let caller: Caller
  /// The body, empty for routes that take none or read it themselves.
  var body: [UInt8] = []
  /// The connection it came on.
  let connection: RESTConnection
  /// Its name.
  let id: RequestID
  /// When it came.
  let now: Timestamp

  /// The header called `name`, nil if it is absent.
  func header(_ name: HTTPField.Name) -> String? { http.headers[name] }

  /// The query parameter called `name`, nil if it is absent.
  func query(_ name: String) -> String? { target.query[name] }

  /// The value of a name of the template.
  func parameter(_ name: String) -> String { parameters[name] ?? "" }

  /// The condition in `If-Match`.
  ///
  /// A header that names an empty ETag is a condition that nothing fulfils: who sent it did not mean
  /// "create".
  var condition: ETagCondition {
    let header = header(.ifMatch)
    let condition = ETagCondition(ifMatch: header)
    let isBlank = header?.utf8.allSatisfy { $0 == 0x20 || $0 == 0x09 } ?? true
    return condition == .absent && !isBlank ? .exactly("") : condition
  }

  /// The device that the path names.
  ///
  /// - Throws: 400004 for what can't be a device's ID.
  func deviceID() throws(HubError) -> String {
    let id = parameter("deviceId")
    guard DeviceID.isValid(id) else {
      throw HubError(
        .argumentInvalid,
        "The device ID in the path is none: 1 to 128 ASCII letters, digits and - . + % _ # * ? ! ( ) , : = @ $ '."
      )
    }
    return id
  }

  /// The device or module that the path names.
  ///
  /// - Throws: 400004 for what can't be an ID.
  func identity() throws(HubError) -> IdentityKey {
    let deviceID = try deviceID()
    guard let moduleID = parameters["moduleId"] else { return IdentityKey(deviceID: deviceID) }
    guard ModuleID.isValid(moduleID) else {
      throw HubError(
        .argumentInvalid,
        "The module ID in the path is none: 1 to 128 ASCII letters, digits and - . + % _ # * ? ! ( ) , : = @ $ ', not beginning with $."
      )
    }
    return IdentityKey(deviceID: deviceID, moduleID: moduleID)
  }

  /// The body's JSON value.
  ///
  /// - Throws: 400005 for an empty body, 400006 for what is no JSON.
  func json() throws(HubError) -> JSONValue { try RequestBody.parse(body) }

  /// An integer of the query within `range`, or `fallback` if there is none.
  ///
  /// - Throws: 400004 for anything else.
  func integer(
    _ name: String,
    in range: ClosedRange<Int>,
    default fallback: Int
  ) throws(HubError)
    -> Int
  {
    guard let text = query(name), !text.isEmpty else { return fallback }
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(text),
      range.contains(value)
    else {
      throw HubError(
        .argumentInvalid,
        "The query parameter \(name) must be \(range.lowerBound) to \(range.upperBound)."
      )
    }
    return value
  }

  /// A truth value of the query, false if there is none.
  ///
  /// - Throws: 400004 for anything but `true` and `false`.
  func flag(_ name: String) throws(HubError) -> Bool {
    switch query(name) {
    case nil, "", "false": return false
    case "true": return true
    default:
      throw HubError(.argumentInvalid, "The query parameter \(name) must be true or false.")
    }
  }
}

extension HTTPField.Name {
  static let requestID = field("x-ms-request-id")
  static let continuation = field("x-ms-continuation")
  static let itemType = field("x-ms-item-type")
  static let maxItemCount = field("x-ms-max-item-count")
  static let provisioningErrorCode = field("x-ms-error-code")
  static let commandStatus = field("x-ms-command-statuscode")
  static let messageLockTimeout = field("IotHub-MessageLockTimeout")
  static let errorCode = field(HubErrorCode.headerName)

  /// A name that is written in this source, and a token therefore.
  static func field(_ name: String) -> HTTPField.Name {
    guard let field = HTTPField.Name(name) else { preconditionFailure("\(name) is no token") }
    return field
  }
}
