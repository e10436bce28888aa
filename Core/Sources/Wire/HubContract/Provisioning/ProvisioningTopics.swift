internal import ByteIO

/// The user name of a provisioning connection: `<scope>/registrations/<id>/api-version=…` (§6.1).
public struct ProvisioningUserName: Equatable, Sendable {
  /// The ID scope, as the client wrote it.
  public let scope: String
  /// The registration ID, as the client wrote it.
  public let registrationID: String

  /// Reads a user name; nil for one that is not of this form, such as a device's of a hub.
  public init?(_ text: some Collection<UInt8>) {
    guard text.count <= UserName.lengthLimit else { return nil }
    let parts = text.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard parts.count == 3 || parts.count == 4, !parts[0].isEmpty,
      parts[1].elementsEqual("registrations".utf8),
      let scope = String(validating: parts[0], as: UTF8.self),
      let id = String(validating: parts[2], as: UTF8.self)
    else { return nil }
    self.scope = scope
    registrationID = id
  }
}

/// The topics of the provisioning service (contract §6.1).
public enum ProvisioningTopics {
  /// The filter of all answers.
  public static let responses = "$dps/registrations/res/#"

  /// What a client publishes.
  public enum Request: Equatable, Sendable {
    /// It registers.
    case register(requestID: String)
    /// It asks how far the operation is.
    case status(requestID: String, operationID: String)
  }

  /// Reads the topic of a request; nil for any other topic, and without a request ID.
  public static func request(_ topic: some Collection<UInt8>) -> Request? {
    guard topic.count <= 1024, let mark = topic.firstIndex(of: UInt8(ascii: "?")) else {
      return nil
    }
    var parameters: [String: String] = [:]
    for pair in topic[mark...].dropFirst().split(separator: UInt8(ascii: "&")) {
      let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
      let name = String(decoding: pair[..<equals], as: UTF8.self)
      guard
        let value = String(
          validating: Array(pair[equals...].dropFirst()),
          as: UTF8.self
        ), parameters.updateValue(value, forKey: name) == nil
      else { return nil }
    }
    // Stock clients take the answer's topic apart at each dollar sign.
    guard let requestID = parameters["$rid"], !requestID.isEmpty,
      !requestID.utf8.contains(UInt8(ascii: "$")), !requestID.utf8.contains(UInt8(ascii: "?"))
    else { return nil }
    var path = topic[..<mark]
    if path.last(UInt8(ascii: "/")) { path = path.dropLast() }
    if path.elementsEqual("$dps/registrations/PUT/iotdps-register".utf8) {
      return .register(requestID: requestID)
    }
    if path.elementsEqual("$dps/registrations/GET/iotdps-get-operationstatus".utf8),
      let operation = parameters["operationId"], !operation.isEmpty
    {
      return .status(requestID: requestID, operationID: operation)
    }
    return nil
  }

  /// The topic of an answer.
  public static func response(
    status: Int,
    requestID: String,
    retryAfterSeconds: Int?
  ) -> [UInt8] {
    let retry = retryAfterSeconds.map { "&retry-after=\($0)" } ?? ""
    return [UInt8]("$dps/registrations/res/\(status)/?$rid=\(requestID)\(retry)".utf8)
  }
}

extension Collection<UInt8> {
  /// Whether the last byte is this one.
  fileprivate func last(_ byte: UInt8) -> Bool {
    guard !isEmpty else { return false }
    return self[index(startIndex, offsetBy: count - 1)] == byte
  }
}
