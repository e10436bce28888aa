internal import ByteIO
public import JSONTree

extension EventView {
  /// The event as the live monitor shows it, with what routing adds at `destination`.
  ///
  /// Members: `offset`, `sequenceNumber`, `enqueuedTime`, `annotations`, `properties`,
  /// `applicationProperties`, `bodyEncoding` and `body`. The encoding is `json` if the sender declared
  /// JSON and the body is JSON, `utf-8` if it is text, else `base64`.
  public func json(
    at destination: EventDestinations = .events,
    offset: String,
    sequenceNumber: Int64,
    enqueuedTime: Timestamp
  ) -> JSONValue {
    let decoded = properties(at: destination)
    var annotations = JSONObject()
    for item in decoded.annotations { annotations[item.name] = Self.value(item.value) }
    annotations["iothub-enqueuedtime"] = .string(enqueuedTime.iso8601)
    var properties = JSONObject()
    func put(_ name: String, _ value: String?) {
      if let value { properties[name] = .string(value) }
    }
    put("message-id", decoded.messageID)
    put("user-id", decoded.userID)
    put("to", decoded.to)
    put("correlation-id", decoded.correlationID)
    put("content-type", decoded.contentType)
    put("content-encoding", decoded.contentEncoding)
    put("absolute-expiry-time", decoded.absoluteExpiryTime?.iso8601)
    var application = JSONObject()
    for item in decoded.application { application[item.name] = Self.value(item.value) }
    var event: JSONObject = [
      "offset": .string(offset), "sequenceNumber": .int(sequenceNumber),
      "enqueuedTime": .string(enqueuedTime.iso8601), "annotations": .object(annotations),
      "properties": .object(properties), "applicationProperties": .object(application),
    ]
    let (encoding, value) = renderedBody(declaresJSON: decoded.declaresJSON)
    event["bodyEncoding"] = .string(encoding)
    event["body"] = value
    return .object(event)
  }

  private func renderedBody(declaresJSON: Bool) -> (encoding: String, value: JSONValue) {
    if declaresJSON, let value = try? JSON.parse(body) { return ("json", value) }
    let bytes = body.array()
    if UTF8Check.isValid(bytes.span) {
      return ("utf-8", .string(String(decoding: bytes, as: UTF8.self)))
    }
    return ("base64", .string(Base64.encode(bytes)))
  }

  private static func value(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
}
