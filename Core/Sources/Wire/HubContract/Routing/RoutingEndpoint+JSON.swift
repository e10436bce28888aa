internal import JSONTree

/// Under which member endpoints of a kind stand.
enum EndpointKindName: String, CaseIterable {
  case eventStreams, storageContainers, webhooks, mqttTopics
}

extension RoutingEndpoint {
  /// Names that endpoints can't have.
  static let reservedNames: Set<String> = [
    RoutingConfiguration.builtInEndpoint, "filenotifications", "operationsmonitoringevents",
  ]

  var kindName: EndpointKindName {
    switch kind {
    case .eventStream: .eventStreams
    case .storage: .storageContainers
    case .webhook: .webhooks
    case .mqttTopic: .mqttTopics
    }
  }

  init(_ fields: BodyFields, kind: EndpointKindName, asStored: Bool) throws(HubError) {
    let name = try fields.routingName("name")
    guard !Self.reservedNames.contains(name.trimmedLowercase()) else {
      throw fields.invalid("name", "is reserved.")
    }
    switch kind {
    case .eventStreams: self.init(name: name, kind: .eventStream)
    case .storageContainers: self.init(name: name, kind: .storage(try StorageEndpoint(fields)))
    case .webhooks: self.init(name: name, kind: .webhook(try WebhookEndpoint(fields)))
    case .mqttTopics: self.init(name: name, kind: .mqttTopic(try MQTTTopicEndpoint(fields)))
    }
    if asStored {
      slot = try fields.integer("slot", in: EventDestinations.slots, or: 0)
    }
  }

  func json(asStored: Bool) -> JSONValue {
    var object: JSONObject = ["name": .string(name)]
    switch kind {
    case .eventStream: break
    case .storage(let settings): settings.write(to: &object)
    case .webhook(let settings): settings.write(to: &object)
    case .mqttTopic(let settings): settings.write(to: &object)
    }
    if asStored { object["slot"] = .int(Int64(slot)) }
    return .object(object)
  }
}

extension StorageEndpoint {
  init(_ fields: BodyFields) throws(HubError) {
    // A container's name as the original has it: it becomes a folder, so nothing else may pass.
    let container = try fields.requiredString("containerName")
    guard (3...63).contains(container.utf8.count), container.utf8.first != UInt8(ascii: "-"),
      container.utf8.allSatisfy({ byte in
        switch byte {
        case 0x30...0x39, 0x61...0x7A, UInt8(ascii: "-"): true
        default: false
        }
      })
    else {
      throw fields.invalid(
        "containerName",
        "must be 3 to 63 lower-case letters, digits and hyphens, no hyphen first."
      )
    }
    self.init(container: container)
    if let text = try fields.nonEmptyString("fileNameFormat") {
      guard let format = BlobNameFormat(text) else {
        throw fields.invalid(
          "fileNameFormat",
          "must hold {iothub}, {partition}, {YYYY}, {MM}, {DD}, {HH} and {mm} once each."
        )
      }
      fileNameFormat = format
    }
    if let name = try fields.nonEmptyString("encoding") {
      guard
        let known = Encoding.allCases.first(where: {
          $0.rawValue.trimmedLowercase() == name.trimmedLowercase()
        })
      else { throw fields.invalid("encoding", "must be Avro or JSON.") }
      encoding = known
    }
    batchSeconds = try fields.integer(
      "batchFrequencyInSeconds",
      in: Self.batchSecondsRange,
      or: batchSeconds
    )
    batchBytes = try fields.integer(
      "maxChunkSizeInBytes",
      in: Self.batchBytesRange,
      or: batchBytes
    )
  }

  func write(to object: inout JSONObject) {
    object["containerName"] = .string(container)
    object["fileNameFormat"] = .string(fileNameFormat.text)
    object["encoding"] = .string(encoding.rawValue)
    object["batchFrequencyInSeconds"] = .int(Int64(batchSeconds))
    object["maxChunkSizeInBytes"] = .int(Int64(batchBytes))
  }
}
