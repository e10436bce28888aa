internal import ByteIO
public import HubContract
public import JSONTree
public import QueryLanguage

/// A message on its way through an edge, as routes ask it (edge contract section 6.3).
public struct EdgeMessage: MessageFields, ~Escapable {
  private let source: MessageSource
  private let sender: IdentityKey
  private let enqueuedTime: Timestamp
  private let messageID: String
  private let bag: PropertyBag
  private let bytes: Span<UInt8>

  /// Describes a message.
  ///
  /// - Parameters:
  ///   - source: its one source.
  ///   - sender: who has authenticated; never what the message says of itself.
  ///   - enqueuedTime: when the edge took it.
  ///   - messageID: the ID that the edge gave it, by which repeats are known.
  ///   - bag: its properties, encoded as in a topic.
  ///   - body: its body.
  @_lifetime(copy bag, copy body)
  public init(
    source: MessageSource,
    sender: IdentityKey,
    enqueuedTime: Timestamp,
    messageID: String,
    bag: Span<UInt8>,
    body: Span<UInt8>
  ) {
    self.source = source
    self.sender = sender
    self.enqueuedTime = enqueuedTime
    self.messageID = messageID
    self.bag = PropertyBag(bag)
    bytes = body
  }

  /// The application property called `name`, which is in lower case; of several the last counts.
  public func applicationProperty(_ name: String) -> String? {
    entry(name)?.value.map { bag.text($0) }
  }

  /// Offers all application properties in one walk; of several with one name the last counts.
  public func offerProperties(to table: inout PropertyTable) -> Bool {
    let asksDollarNames = table.asksDollarNames
    var iterator = bag.makeIterator()
    while let entry = iterator.next() {
      // What a bag says of the hub's own properties are no application properties; stock clients
      // write their `$` as `%24`.
      if asksDollarNames {
        guard bag.systemProperty(of: entry) == nil else { continue }
      } else if bag.beginsWithDollar(entry) {
        continue
      }
      if entry.isEscaped {
        let key = bag.decoded(entry.key)
        guard let number = table.number(of: key.span) else { continue }
        if let value = entry.value {
          let value = bag.decoded(value)
          table.set(number, to: value.span)
        } else {
          table.set(number, to: nil)
        }
      } else {
        guard let number = table.number(of: bag.bytes.extracting(entry.key)) else { continue }
        if let value = entry.value {
          table.set(number, to: bag.bytes.extracting(value))
        } else {
          table.set(number, to: nil)
        }
      }
    }
    return true
  }

  /// Whether the property called `name` is a key alone.
  public func hasValuelessProperty(_ name: String) -> Bool {
    if let entry = entry(name) { entry.value == nil } else { false }
  }

  private func entry(_ name: String) -> PropertyBag.Entry? {
    var found: PropertyBag.Entry?
    var iterator = bag.makeIterator()
    while let entry = iterator.next() {
      // What a bag says of the hub's own properties are no application properties.
      guard bag.isNamed(entry, ignoringCaseOf: name), bag.systemProperty(of: entry) == nil else {
        continue
      }
      found = entry
    }
    return found
  }

  /// The system property called `name`, which is in lower case.
  public func systemProperty(_ name: String) -> String? {
    switch name {
    case "contenttype": bag.value(of: .contentType)
    case "contentencoding": bag.value(of: .contentEncoding)
    case "messageid": bag.value(of: .messageID)
    // The original knows the second name only.
    case "correlationid", "cid": bag.value(of: .correlationID)
    case "userid": bag.value(of: .userID)
    case "to": bag.value(of: .to)
    case "connectiondeviceid": sender.deviceID
    case "connectionmoduleid": sender.moduleID
    case "outputname": if case .output(let output, _) = source { output } else { nil }
    case "creationtime": bag.value(of: .creationTime)
    case "enqueuedtime": enqueuedTime.iso8601
    case "messageschema": source == .twinChange ? Self.twinChange : bag.value(of: .schema)
    case "messagetype": source == .twinChange ? Self.twinChange : nil
    case "edgemessageid": messageID
    case "edgehuborigininterface": sender.moduleID == nil ? "downstream" : "internal"
    default: nil
    }
  }

  private static let twinChange = "twinChangeNotification"

  /// The body as JSON; nil if it is none.
  public func body() -> JSONValue? {
    BodyText.json(bytes, encoding: bag.value(of: .contentEncoding) ?? "")
  }

  /// An edge asks no twins.
  public func twin() -> JSONValue? { nil }
}
