import ByteIO
package import HubContract
public import JSONTree

/// A message that a module sends to one of its outputs, or gets from one of its inputs.
public struct ModuleMessage: Sendable, Equatable {
  /// What it says.
  public var body: [UInt8]
  /// Properties that routes can ask for; one that came without a value has an empty one.
  public var properties: [String: String]
  /// What the sender calls it, at most 128 characters.
  public var messageID: String?
  /// What it belongs to.
  public var correlationID: String?
  /// The kind of its body, such as `application/json`: routes look into bodies of that kind alone.
  public var contentType: String?
  /// The encoding of its body, such as `utf-8`.
  public var contentEncoding: String?
  /// The input that it came by; nil for one that was not received.
  public internal(set) var input: String?
  /// The device that sent it, nil where the local hub does not tell.
  public internal(set) var deviceID: String?
  /// The module that sent it, nil if that was a device.
  public internal(set) var moduleID: String?

  /// A message of any bytes.
  public init(_ body: [UInt8], properties: [String: String] = [:]) {
    self.body = body
    self.properties = properties
  }

  /// A message of JSON, which says that it is JSON.
  public init(json: JSONValue, properties: [String: String] = [:]) {
    self.init(JSON.bytes(json), properties: properties)
    contentType = "application/json"
    contentEncoding = "utf-8"
  }
}

/// The topics of a module's messages (edge contract section 14, rules 6 and 7).
package struct ModuleTopics: Sendable {
  private let outputStem: [UInt8]
  private let inputStem: [UInt8]

  /// The topics of `identity`, which is a module.
  package init(_ identity: IdentityKey) {
    inputStem = DeviceTopics(identity).inputStem
    outputStem = Array(
      "devices/\(identity.deviceID)/modules/\(identity.moduleID ?? "")/messages/events/".utf8
    )
  }

  /// What a module subscribes to for all its inputs.
  package var inputFilter: [UInt8] { inputStem + [UInt8(ascii: "#")] }

  /// The topic of `message` to `output`.
  ///
  /// - Throws: for what the hub would refuse, by ending the connection.
  package func topic(of message: ModuleMessage, to output: String) throws -> [UInt8] {
    var bag = PropertyBagWriter()
    bag.append(.outputName, output)
    bag.append(.messageID, message.messageID)
    bag.append(.correlationID, message.correlationID)
    bag.append(.contentType, message.contentType)
    bag.append(.contentEncoding, message.contentEncoding)
    for (name, value) in message.properties.sorted(by: { $0.key < $1.key }) {
      bag.append(MessageProperty(name, value))
    }
    let bytes = bag.bytes
    try PropertyBag(bytes.span)
      .check(bodyBytes: message.body.count, limit: ModuleClient.messageLimit)
    return outputStem + bytes
  }

  /// The message that came on `topic`, nil for a topic that is none of an input.
  package func message(_ topic: [UInt8], _ payload: [UInt8]) -> ModuleMessage? {
    guard topic.starts(with: inputStem) else { return nil }
    let rest = topic.dropFirst(inputStem.count)
    let end = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
    let name = String(decoding: rest[..<end], as: UTF8.self)
    let bag = Array(rest[end...].dropFirst())
    var message = ModuleMessage(payload)
    message.input = PercentCoding.decode(name) ?? name
    for property in PropertyBag(bag.span).properties() {
      switch SystemProperty(rawValue: property.name) {
      case .messageID: message.messageID = property.value
      case .correlationID: message.correlationID = property.value
      case .contentType: message.contentType = property.value
      case .contentEncoding: message.contentEncoding = property.value
      case .connectionDeviceID: message.deviceID = property.value
      case .connectionModuleID: message.moduleID = property.value
      case nil: message.properties[property.name] = property.value ?? ""
      default: break
      }
    }
    return message
  }
}
