internal import JSONTree

extension MQTTTopicEndpoint {
  init(_ fields: BodyFields) throws(HubError) {
    let host = try fields.requiredString("host")
    guard HostName.isValid(host) else {
      throw fields.invalid("host", "must be a host's name or address, without scheme and port.")
    }
    guard let topic = MQTTTopicFormat(try fields.requiredString("topic")) else {
      throw fields.invalid(
        "topic",
        "must be 1 to \(MQTTTopicFormat.maximumBytes) bytes without #, + and control characters, and"
          + " not begin with $; {iothub}, {deviceId}, {moduleId}, {partition} and {source} may stand"
          + " in it."
      )
    }
    self.init(host: host, topic: topic)
    isEncrypted = try fields.bool("useTls") ?? true
    port = try fields.integer(
      "port",
      in: 1...65_535,
      or: isEncrypted ? Self.encryptedPort : Self.plainPort
    )
    if let name = try fields.nonEmptyString("payload") {
      guard let known = Payload.allCases.first(where: { $0.rawValue == name }) else {
        throw fields.invalid("payload", "must be CloudEvents or Body.")
      }
      payload = known
    }
    clientID = try Self.text("clientId", fields)
    userName = try Self.text("userName", fields)
    passwordName = try fields.fileName("passwordName")
    guard passwordName == nil || userName != nil else {
      throw fields.invalid("passwordName", "needs userName.")
    }
    authorityName = try fields.fileName("caName")
    certificateName = try fields.fileName("certificateName")
    guard isEncrypted || (authorityName == nil && certificateName == nil) else {
      throw fields.invalid("useTls", "must be true where caName or certificateName is given.")
    }
    inFlightCount = try fields.integer(
      "maxEventsInFlight",
      in: Self.inFlightCountRange,
      or: inFlightCount
    )
    timeToLiveSeconds = try fields.integer(
      "eventTimeToLiveInSeconds",
      in: WebhookEndpoint.timeToLiveSecondsRange,
      or: timeToLiveSeconds
    )
  }

  private static func text(_ key: String, _ fields: BodyFields) throws(HubError) -> String? {
    guard let text = try fields.nonEmptyString(key) else { return nil }
    guard text.utf8.count <= 256, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
      throw fields.invalid(key, "must be at most 256 bytes without control characters.")
    }
    return text
  }

  func write(to object: inout JSONObject) {
    object["host"] = .string(host)
    object["port"] = .int(Int64(port))
    object["useTls"] = .bool(isEncrypted)
    object["topic"] = .string(topic.text)
    object["payload"] = .string(payload.rawValue)
    for (key, value) in [
      ("clientId", clientID), ("userName", userName), ("passwordName", passwordName),
      ("caName", authorityName), ("certificateName", certificateName),
    ] {
      if let value { object[key] = .string(value) }
    }
    object["maxEventsInFlight"] = .int(Int64(inFlightCount))
    object["eventTimeToLiveInSeconds"] = .int(Int64(timeToLiveSeconds))
  }
}

extension BodyFields {
  /// The name of a file of secrets, nil if it is null, absent or empty.
  func fileName(_ key: String) throws(HubError) -> String? {
    guard try nonEmptyString(key) != nil else { return nil }
    let name = try routingName(key)
    guard name.first != "." else { throw invalid(key, "must not begin with a period.") }
    return name
  }
}
