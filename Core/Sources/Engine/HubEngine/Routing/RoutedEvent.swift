import ByteIO
public import HubContract
public import JSONTree
public import QueryLanguage

/// A message on its way into the log, as routing conditions ask it (contract §9.4).
public struct RoutedEvent: MessageFields, ~Escapable {
  /// What is known of the sender.
  public struct Sender: Sendable {
    /// Who sent it.
    public var identity: IdentityKey
    /// How it had authenticated.
    public var authMethod: ConnectionAuthMethod?
    /// Generation of the identity.
    public var generationID: String?
    /// Model that it announced.
    public var modelID: String?

    /// What `stamp` tells of its connection.
    public init(_ stamp: EventStamp) {
      let parts = stamp.parts
      self.init(
        identity: parts.identity,
        authMethod: parts.authMethod,
        generationID: parts.generationID,
        modelID: parts.modelID
      )
    }

    /// Creates a description.
    public init(
      identity: IdentityKey,
      authMethod: ConnectionAuthMethod? = nil,
      generationID: String? = nil,
      modelID: String? = nil
    ) {
      self.identity = identity
      self.authMethod = authMethod
      self.generationID = generationID
      self.modelID = modelID
    }
  }

  /// The body as far as it was read: several routes may ask for it.
  private final class Memory {
    var body: JSONValue??
  }

  private let sender: Sender
  private let source: EventSource
  private let flags: EventFlags
  private let enqueuedTime: Timestamp
  private let bag: PropertyBag
  private let bytes: Span<UInt8>
  private let twinValue: JSONValue?
  private let memory = Memory()

  /// Describes a message.
  ///
  /// `twin` is the sender's, with `tags` and `properties`; it is asked only where `RoutingTable.needsTwin`.
  @_lifetime(copy bag, copy body)
  public init(
    source: EventSource = .telemetry,
    sender: Sender,
    flags: EventFlags = [],
    enqueuedTime: Timestamp,
    bag: Span<UInt8>,
    body: Span<UInt8>,
    twin: JSONValue? = nil
  ) {
    self.source = source
    self.sender = sender
    self.flags = flags
    self.enqueuedTime = enqueuedTime
    self.bag = PropertyBag(bag)
    bytes = body
    twinValue = twin
  }

  /// The application property called `name`, of which the last one counts.
  public func applicationProperty(_ name: String) -> String? {
    switch name {
    case "mqtt-retain" where flags.contains(.retain): return "true"
    case "iothub-MessageType" where flags.contains(.will): return "Will"
    case "iothub-message-schema":
      if let schema = bag.value(of: .schema) { return schema }
    case "iothub-creation-time-utc":
      if let time = bag.value(of: .creationTime) { return time }
    default: break
    }
    // What a bag says of the hub's own properties are no application properties.
    if SystemProperty(rawValue: name) != nil { return nil }
    var found: Range<Int>?
    let wanted = name.utf8Span.span
    var iterator = bag.makeIterator()
    while let entry = iterator.next() {
      // Of several the last one counts, also if it is null.
      if bag.isNamed(entry, wanted) { found = entry.value }
    }
    return found.map { bag.text($0) }
  }

  /// The system property called `name`, whatever its case.
  public func systemProperty(_ name: String) -> String? {
    let isForChild = flags.contains(.onBehalfOfChild)
    switch name.lowercased() {
    case "messageid": return bag.value(of: .messageID)
    case "correlationid": return bag.value(of: .correlationID)
    case "userid": return bag.value(of: .userID)
    case "to": return bag.value(of: .to)
    case "contenttype": return bag.value(of: .contentType)
    case "contentencoding": return bag.value(of: .contentEncoding)
    case "outputname": return bag.value(of: .outputName)
    case "dt-subject": return bag.value(of: .component)
    case "dt-dataschema": return source == .telemetry ? sender.modelID : nil
    case "creation-time-utc", "iothub-creation-time-utc": return bag.value(of: .creationTime)
    case "connectiondeviceid":
      return (isForChild ? bag.value(of: .connectionDeviceID) : nil) ?? sender.identity.deviceID
    case "connectionmoduleid":
      return (isForChild ? bag.value(of: .connectionModuleID) : nil) ?? sender.identity.moduleID
    case "connectionauthmethod": return sender.authMethod?.json
    case "connectiondevicegenerationid": return sender.generationID
    case "enqueuedtime": return enqueuedTime.iso8601
    case "iothub-message-source": return source.name
    default: return nil
    }
  }

  /// The body as JSON; nil if it is none.
  public func body() -> JSONValue? {
    if let known = memory.body { return known }
    let value = BodyText.json(bytes, encoding: bag.value(of: .contentEncoding) ?? "utf-8")
    memory.body = .some(value)
    return value
  }

  /// The sender's twin.
  public func twin() -> JSONValue? { twinValue }
}
