internal import ByteIO
public import HubContract
internal import JSONTree

/// An event that the hub itself makes (contract §9.3).
public struct HubEvent: Equatable, Sendable {
  /// The sources that events come from here.
  public static let sources = Set(Operation.allCases.map(\.source))

  /// What happened.
  public enum Operation: String, Sendable, CaseIterable {
    /// A section was patched.
    case updateTwin
    /// Tags and desired properties were replaced.
    case replaceTwin
    /// The same, as the digital twin shows it.
    case updateDigitalTwin
    /// A device or module was created.
    case createDeviceIdentity
    /// A device or module was deleted.
    case deleteDeviceIdentity
    /// A client connected.
    case deviceConnected
    /// A client went.
    case deviceDisconnected

    /// Which source of routes such events belong to.
    public var source: EventSource {
      switch self {
      case .updateTwin, .replaceTwin: .twinChange
      case .updateDigitalTwin: .digitalTwinChange
      case .createDeviceIdentity, .deleteDeviceIdentity: .deviceLifecycle
      case .deviceConnected, .deviceDisconnected: .deviceConnectionState
      }
    }

    /// The value of `opType`.
    var type: String { self == .updateDigitalTwin ? Self.updateTwin.rawValue : rawValue }

    /// The media type of the body.
    var contentType: String {
      self == .updateDigitalTwin ? "application/json-patch+json" : "application/json"
    }

    /// The value of `iothub-message-schema`.
    public var schema: String {
      switch source {
      case .twinChange: "twinChangeNotification"
      case .digitalTwinChange: "digitalTwinChangeNotification"
      case .deviceLifecycle: "deviceLifecycleNotification"
      default: "deviceConnectionStateNotification"
      }
    }
  }

  /// The identity that it is about.
  public var key: IdentityKey
  /// What happened.
  public var operation: Operation
  /// When it happened.
  public var operationTime: Timestamp
  /// The body: JSON in UTF-8.
  public var body: [UInt8]

  /// Creates an event.
  public init(key: IdentityKey, operation: Operation, operationTime: Timestamp, body: [UInt8]) {
    self.key = key
    self.operation = operation
    self.operationTime = operationTime
    self.body = body
  }

  /// Its record in the log as `table` routes it, nil if that is nowhere (contract §9.3).
  ///
  /// `twin` is what the routes ask of the identity's twin.
  func record(
    _ table: RoutingTable,
    correlationID: String,
    twin: JSONValue?
  ) -> [UInt8]? {
    var bag = PropertyBagWriter()
    bag.append(.contentType, operation.contentType)
    bag.append(.contentEncoding, "utf-8")
    bag.append(.correlationID, correlationID)
    bag.append(.userID, table.hubName)
    bag.append(MessageProperty("hubName", table.hubName))
    bag.append(MessageProperty("deviceId", key.deviceID))
    if let moduleID = key.moduleID { bag.append(MessageProperty("moduleId", moduleID)) }
    bag.append(MessageProperty("opType", operation.type))
    bag.append(MessageProperty("iothub-message-schema", operation.schema))
    bag.append(MessageProperty("operationTimestamp", operationTime.iso8601))
    let properties = bag.bytes
    let body = body
    let source = operation.source
    let event = RoutedEvent(
      source: source,
      sender: RoutedEvent.Sender(identity: key),
      enqueuedTime: operationTime,
      bag: properties.span,
      body: body.span,
      twin: twin
    )
    let routing = table.decide(source, event, byteCount: properties.count + body.count)
    guard !routing.destinations.isEmpty else { return nil }
    var writer = ByteWriter(capacity: properties.count + body.count + 512)
    EventEncoder.append(
      stamp: EventStamp(identity: key),
      source: source,
      routing: routing,
      bag: properties.span,
      body: body.span,
      to: &writer
    )
    return writer.bytes
  }
}
