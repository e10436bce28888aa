import ByteIO
import HTTPTypes
import HubContract
import HubEngine

/// A message's properties as HTTP headers carry them (contract "Device side: HTTPS").
struct MessageHeaders: Equatable, Sendable {
  /// System properties in the order of `systemHeaders`.
  var system: [(SystemProperty, String)] = []
  /// Application properties in the order of their headers.
  var application: [MessageProperty] = []
  /// Which outcomes the sender of a cloud-to-device message wants to hear of.
  var acknowledgement: DeliveryAcknowledgement?

  /// What an application property's header begins with, in lower case.
  static let applicationPrefix = "iothub-app-"
  static let acknowledgementHeader = "iothub-ack"
  /// The headers of system properties, in lower case.
  static let systemHeaders: [(name: String, property: SystemProperty)] = [
    ("iothub-messageid", .messageID), ("iothub-correlationid", .correlationID),
    ("iothub-userid", .userID), ("iothub-to", .to), ("iothub-expiry", .expiry),
    ("iothub-contenttype", .contentType), ("iothub-contentencoding", .contentEncoding),
  ]

  static func == (first: MessageHeaders, second: MessageHeaders) -> Bool {
    first.system.elementsEqual(second.system) { $0 == $1 }
      && first.application == second.application
      && first.acknowledgement == second.acknowledgement
  }

  init() {}

  /// Reads the headers of a request.
  ///
  /// - Throws: 400004 for an expiry that is no time, an unknown acknowledgement, or a message ID that
  ///   is too long.
  init(_ headers: HTTPFields) throws(HubError) {
    for (name, property) in Self.systemHeaders {
      guard let value = headers[.field(name)] else { continue }
      system.append((property, value))
    }
    for field in headers where field.name.canonicalName.hasPrefix(Self.applicationPrefix) {
      let name = String(field.name.rawName.dropFirst(Self.applicationPrefix.count))
      application.append(MessageProperty(name, field.value))
    }
    if let text = headers[.field(Self.acknowledgementHeader)] {
      guard let acknowledgement = DeliveryAcknowledgement(rawValue: text.lowercased()) else {
        throw HubError(
          .argumentInvalid,
          "iothub-ack must be none, positive, negative or full."
        )
      }
      self.acknowledgement = acknowledgement
    }
    try check()
  }

  /// Adds a property of a batch's element, which is named as its header would be, or without prefix.
  mutating func add(_ name: String, _ value: String?) {
    let lowercase = name.lowercased()
    if let known = Self.systemHeaders.first(where: { $0.name == lowercase }) {
      if let value { system.append((known.property, value)) }
    } else if lowercase.hasPrefix(Self.applicationPrefix) {
      let bare = String(name.dropFirst(Self.applicationPrefix.count))
      application.append(MessageProperty(bare, value))
    } else {
      application.append(MessageProperty(name, value))
    }
  }

  /// - Throws: 400004 for an expiry that is no time, or a message ID that is too long.
  func check() throws(HubError) {
    if let text = self[.expiry], Timestamp(iso8601: text) == nil {
      throw HubError(
        .argumentInvalid,
        "iothub-expiry must be an ISO 8601 time such as 2030-01-02T03:04:05Z."
      )
    }
    if let id = self[.messageID], id.utf8.count > PropertyBag.messageIDLimit {
      throw HubError(
        .argumentInvalid,
        "iothub-messageid is longer than \(PropertyBag.messageIDLimit) bytes."
      )
    }
  }

  /// The value of a system property.
  subscript(property: SystemProperty) -> String? { system.last { $0.0 == property }?.1 }

  /// The properties as a device's event stores them.
  var bag: [UInt8] {
    var writer = PropertyBagWriter()
    for (property, value) in system { writer.append(property, value) }
    for property in application { writer.append(property) }
    return writer.bytes
  }

  /// The headers that show a queued message to its device.
  ///
  /// A name that can't be a header's is percent-encoded; so is a value with control characters,
  /// which could end the header.
  static func fields(of message: CloudToDeviceMessage) -> HTTPFields {
    var fields = HTTPFields()
    func put(_ name: String, _ value: String) {
      let isPlain = value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
      let safe = isPlain ? value : PercentCoding.encode(value)
      guard
        let field = HTTPField.Name(name) ?? HTTPField.Name(PercentCoding.encode(name))
      else { return }
      fields.append(HTTPField(name: field, value: safe))
    }
    put("iothub-sequencenumber", String(message.sequence))
    put("iothub-enqueuedtime", message.enqueuedTime.iso8601)
    put("iothub-deliverycount", String(message.deliveryCount))
    for property in PropertyBag(message.properties.span).properties() {
      if property.name == acknowledgementHeader {
        // Shown when the sender said it, "none" too.
        let isSaid = property.value == message.acknowledgement.rawValue
        if isSaid { fields[.field(acknowledgementHeader)] = property.value }
        continue
      }
      if let system = SystemProperty(rawValue: property.name),
        let header = systemHeaders.first(where: { $0.property == system })
      {
        if let value = property.value { put(header.name, value) }
      } else {
        put(applicationPrefix + property.name, property.value ?? "")
      }
    }
    return fields
  }
}
