internal import ByteIO

/// Everything that an event carries besides its body, decoded, in the three sections that a consumer
/// sees (contract §8.4).
///
/// `iothub-enqueuedtime`, offset and sequence number come from the log and are not part of it.
public struct EventProperties: Equatable, Sendable {
  /// Message annotations with text values, in the contract's order: device, module, authentication
  /// method, generation, source, and what the sender said of interface, model, component, output
  /// and trace.
  public var annotations: [MessageProperty] = []
  /// Message ID.
  public var messageID: String?
  /// User ID.
  public var userID: String?
  /// Where it was sent to.
  public var to: String?
  /// Correlation ID.
  public var correlationID: String?
  /// Content type.
  public var contentType: String?
  /// Content encoding.
  public var contentEncoding: String?
  /// When it expires; nil also if the sender's text is no time.
  public var absoluteExpiryTime: Timestamp?
  /// Application properties; a nil value is a null.
  public var application: [MessageProperty] = []

  /// Creates empty properties.
  public init() {}

  // What the hub says replaces what the sender said under the same name: keys stay unique.
  mutating func setApplication(_ name: String, _ value: String) {
    application.removeAll { $0.name == name }
    application.append(MessageProperty(name, value))
  }

  /// The text annotation called `name`.
  public func annotation(_ name: String) -> String? {
    annotations.first { $0.name == name }?.value
  }

  /// Whether the body is declared to be JSON in UTF-8: content type `application/json`, with or
  /// without a parameter, and a content encoding of `utf-8` or none.
  public var declaresJSON: Bool {
    guard let contentType else { return false }
    let type = contentType.utf8.prefix { $0 != UInt8(ascii: ";") }
    let isJSON = String(type)?.trimmedLowercase() == "application/json"
    let encoding = (contentEncoding ?? "").trimmedLowercase()
    return isJSON && (encoding.isEmpty || encoding == "utf-8" || encoding == "utf8")
  }
}

extension EventView {
  /// The decoded sections of the event as the reader of `destination` sees them: with the
  /// enrichments that routing added there.
  public func properties(at destination: EventDestinations = .events) -> EventProperties {
    var result = EventProperties()
    var device = text(deviceIDRange)
    var module = moduleIDRange.isEmpty ? nil : text(moduleIDRange)
    var extras: [MessageProperty] = []
    var dataSchema = modelIDRange.isEmpty ? nil : text(modelIDRange)
    if source != .telemetry { dataSchema = nil }
    for property in bag.properties() {
      guard let system = SystemProperty(rawValue: property.name) else {
        result.application.append(property)
        continue
      }
      guard let value = property.value else { continue }
      switch system {
      case .messageID: result.messageID = value
      case .userID: result.userID = value
      case .to: result.to = value
      case .correlationID: result.correlationID = value
      case .contentType: result.contentType = value
      case .contentEncoding: result.contentEncoding = value
      case .expiry: result.absoluteExpiryTime = Timestamp(iso8601: value)
      case .outputName: extras.append(.init("iothub-outputname", value))
      case .interfaceID: extras.append(.init("iothub-interface-id", value))
      case .component: extras.append(.init("dt-subject", value))
      case .schema: result.setApplication("iothub-message-schema", value)
      case .creationTime: result.setApplication("iothub-creation-time-utc", value)
      case .connectionDeviceID: if flags.contains(.onBehalfOfChild) { device = value }
      case .connectionModuleID: if flags.contains(.onBehalfOfChild) { module = value }
      case .edgeMessageID: extras.append(.init("iothub-edge-message-id", value))
      case .diagnosticID: extras.append(.init("Diagnostic-Id", value))
      case .correlationContext: extras.append(.init("Correlation-Context", value))
      }
    }
    if flags.contains(.retain) { result.setApplication("mqtt-retain", "true") }
    if flags.contains(.will) { result.setApplication("iothub-MessageType", "Will") }
    if result.to == nil, source == .telemetry {
      let path = module.map { "/modules/\($0)" } ?? ""
      result.to = "/devices/\(device)\(path)/messages/events"
    }
    result.annotations = [.init("iothub-connection-device-id", device)]
    func annotate(_ name: String, _ value: String?) {
      if let value { result.annotations.append(.init(name, value)) }
    }
    annotate("iothub-connection-module-id", module)
    annotate("iothub-connection-auth-method", authMethod?.json)
    annotate(
      "iothub-connection-auth-generation-id",
      generationIDRange.isEmpty ? nil : text(generationIDRange)
    )
    annotate("iothub-message-source", source.name)
    annotate("dt-dataschema", dataSchema)
    result.annotations += extras
    if !enrichmentRange.isEmpty {
      let added = EventRouting.enrichments(
        bytes.extracting(enrichmentRange),
        at: destination
      )
      for property in added { result.setApplication(property.name, property.value ?? "") }
    }
    return result
  }
}

extension StringProtocol {
  /// Without blanks at either end, ASCII letters in lower case.
  func trimmedLowercase() -> String {
    var bytes = [UInt8](utf8)[...]
    while bytes.first == 0x20 || bytes.first == 0x09 { bytes.removeFirst() }
    while bytes.last == 0x20 || bytes.last == 0x09 { bytes.removeLast() }
    let lower = bytes.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
    return String(decoding: lower, as: UTF8.self)
  }
}
