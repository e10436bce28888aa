internal import JSONTree

extension WebhookEndpoint {
  /// Headers that say what a request is, so no secret can take their place.
  private static let ownHeaders: Set<String> = [
    "connection", "content-encoding", "content-length", "content-type", "host", "te", "trailer",
    "transfer-encoding", "upgrade", "user-agent",
  ]

  init(_ fields: BodyFields) throws(HubError) {
    self.init(uri: try fields.requiredString("uri"))
    guard uri.utf8.count <= 2048, uri.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
      !uri.contains("#"), host != nil
    else {
      throw fields.invalid(
        "uri",
        "must be an http or https URI of at most 2048 characters, with a host and without user,"
          + " password and fragment; what proves who posts is named by secretName."
      )
    }
    secret = try Self.secret(fields)
    batchCount = try fields.integer("maxEventsPerBatch", in: Self.batchCountRange, or: batchCount)
    timeoutSeconds = try fields.integer(
      "timeoutInSeconds",
      in: Self.timeoutSecondsRange,
      or: timeoutSeconds
    )
    timeToLiveSeconds = try fields.integer(
      "eventTimeToLiveInSeconds",
      in: Self.timeToLiveSecondsRange,
      or: timeToLiveSeconds
    )
  }

  private static func secret(_ fields: BodyFields) throws(HubError) -> Secret? {
    let header = try fields.nonEmptyString("secretHeader")
    guard let name = try fields.fileName("secretName") else {
      guard header == nil else {
        throw fields.invalid("secretHeader", "needs secretName, the file that holds its value.")
      }
      return nil
    }
    var secret = Secret(name: name)
    if let header {
      guard (1...64).contains(header.utf8.count), !ownHeaders.contains(header.trimmedLowercase()),
        header.utf8.allSatisfy({ byte in
          switch byte {
          case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"): true
          default: false
          }
        })
      else {
        throw fields.invalid(
          "secretHeader",
          "must be the name of a header that the hub does not set itself."
        )
      }
      secret.header = header
    }
    return secret
  }

  func write(to object: inout JSONObject) {
    object["uri"] = .string(uri)
    if let secret {
      object["secretName"] = .string(secret.name)
      object["secretHeader"] = .string(secret.header)
    }
    object["maxEventsPerBatch"] = .int(Int64(batchCount))
    object["timeoutInSeconds"] = .int(Int64(timeoutSeconds))
    object["eventTimeToLiveInSeconds"] = .int(Int64(timeToLiveSeconds))
  }
}
