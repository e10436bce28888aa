public import JSONTree

/// The name of a direct method (contract §7.6).
public enum MethodName {
  /// The most bytes of a name: two of the longest names that models allow, and the `*` between.
  public static let lengthLimit = 256

  /// Whether `text` may name a method: printable ASCII but for blanks and ``$ ( ) < > @ , ; : \ " / [ ] ? = { }``.
  public static func isValid(_ text: String) -> Bool {
    (1...lengthLimit).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        guard (0x21...0x7E).contains(byte) else { return false }
        switch byte {
        case UInt8(ascii: "$"), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "<"),
          UInt8(ascii: ">"), UInt8(ascii: "@"), UInt8(ascii: ","), UInt8(ascii: ";"),
          UInt8(ascii: ":"), UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "/"),
          UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "?"), UInt8(ascii: "="),
          UInt8(ascii: "{"), UInt8(ascii: "}"):
          return false
        default: return true
        }
      }
  }
}

/// The wish to invoke a direct method (contract §7.6).
public struct DirectMethodRequest: Equatable, Sendable {
  /// The method's name.
  public var methodName: String
  /// The payload; nil if none was given, delivered as an empty body.
  ///
  /// An explicit null is a payload.
  public var payload: JSONValue?
  /// How long the whole invocation may take, in seconds, 5 to 300.
  public var responseTimeoutSeconds: Int
  /// How long to wait for the device to connect and subscribe, in seconds, 0 to the response
  /// timeout; part of it.
  public var connectTimeoutSeconds: Int

  /// The response timeout if none is given.
  public static let defaultResponseTimeoutSeconds = 30
  /// The response timeouts that are possible.
  public static let responseTimeouts = 5...300
  /// The connect timeouts that are possible.
  public static let connectTimeouts = 0...300

  /// Creates a wish; the values are not checked.
  public init(
    methodName: String,
    payload: JSONValue? = nil,
    responseTimeoutSeconds: Int = defaultResponseTimeoutSeconds,
    connectTimeoutSeconds: Int = 0
  ) {
    self.methodName = methodName
    self.payload = payload
    self.responseTimeoutSeconds = responseTimeoutSeconds
    self.connectTimeoutSeconds = connectTimeoutSeconds
  }

  /// Reads the body of `POST …/methods`, or the same object inside a job.
  ///
  /// - Throws: 400012 for a member of another type, 400005 without a name, 400004 for an illegal name
  ///   or timeout, 413001 for a payload above `payloadLimit` bytes of JSON.
  public init(
    json: JSONValue,
    payloadLimit: Int = Quotas().methodPayloadBytes
  ) throws(HubError) {
    let fields = try BodyFields(json)
    let name = try fields.requiredString("methodName")
    guard MethodName.isValid(name) else {
      throw fields.invalid(
        "methodName",
        #"must be 1 to \#(MethodName.lengthLimit) printable ASCII characters without blanks and $ ( ) < > @ , ; : \ " / [ ] ? = { }."#
      )
    }
    let response = try fields.integer("responseTimeoutInSeconds")
    let responseSeconds = response ?? Int64(Self.defaultResponseTimeoutSeconds)
    guard (5...300).contains(responseSeconds) else {
      throw fields.invalid("responseTimeoutInSeconds", "must be 5 to 300.")
    }
    let connectSeconds = try fields.integer("connectTimeoutInSeconds") ?? 0
    guard (0...300).contains(connectSeconds) else {
      throw fields.invalid("connectTimeoutInSeconds", "must be 0 to 300.")
    }
    guard connectSeconds <= responseSeconds else {
      throw fields.invalid(
        "connectTimeoutInSeconds",
        "must not exceed responseTimeoutInSeconds, which includes it."
      )
    }
    // Null is a payload here, unlike elsewhere: the device gets to see it.
    let payload = json["payload"]
    if let payload {
      let count = JSON.bytes(payload).count
      guard count <= payloadLimit else {
        throw HubError(
          .messageTooLarge,
          "payload has \(count) bytes of JSON; at most \(payloadLimit) are accepted."
        )
      }
    }
    self.init(
      methodName: name,
      payload: payload,
      responseTimeoutSeconds: Int(responseSeconds),
      connectTimeoutSeconds: Int(connectSeconds)
    )
  }

  /// What goes to the device: the payload's JSON, or nothing.
  public var payloadBytes: [UInt8] { payload.map(JSON.bytes) ?? [] }
}

/// A device's answer to a direct method (contract §3.7, §7.6).
public struct DirectMethodResponse: Equatable, Sendable {
  /// The device's own status; not the HTTP one.
  public var status: Int
  /// The payload, null if the device sent none.
  public var payload: JSONValue

  /// Creates an answer.
  public init(status: Int, payload: JSONValue) {
    self.status = status
    self.payload = payload
  }

  /// Reads what the device published.
  ///
  /// - Throws: 400006 for a status that is no integer or a body that is no JSON, 413001 for a body above
  ///   `limit` bytes. It answers the caller; the device is not told.
  public init(
    status: Int?,
    body: Span<UInt8>,
    limit: Int = Quotas().methodPayloadBytes
  ) throws(HubError) {
    guard let status else {
      throw HubError(.iotHubFormatError, "The device answered with a status that is no integer.")
    }
    guard body.count <= limit else {
      throw HubError(
        .messageTooLarge,
        "The device answered with \(body.count) bytes; at most \(limit) are accepted."
      )
    }
    guard !body.isEmpty else {
      self.init(status: status, payload: .null)
      return
    }
    do {
      self.init(status: status, payload: try JSON.parse(body))
    } catch {
      throw HubError(.iotHubFormatError, "The device's answer is not JSON: \(error).")
    }
  }

  /// The body of the caller's 200 answer.
  public var json: JSONValue { ["status": .int(Int64(status)), "payload": payload] }
}
