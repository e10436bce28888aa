package import AMQPCodec
package import HubContract

/// An AMQP message's properties as a hub keeps them: texts by name.
package struct MessageFieldList: Equatable {
  /// System properties.
  package var system: [(SystemProperty, String)] = []
  /// Application properties.
  package var application: [MessageProperty] = []

  package static func == (first: MessageFieldList, second: MessageFieldList) -> Bool {
    first.system.elementsEqual(second.system) { $0 == $1 }
      && first.application == second.application
  }

  /// Reads what a message carries.
  package init(_ message: AMQPMessage) {
    let properties = message.properties
    func put(_ property: SystemProperty, _ value: String?) {
      if let value { system.append((property, value)) }
    }
    put(.messageID, properties.messageIDText)
    put(.correlationID, properties.correlationIDText)
    put(.userID, properties.userID.flatMap { String(validating: $0, as: UTF8.self) })
    put(.contentType, properties.contentType)
    put(.contentEncoding, properties.contentEncoding)
    put(.to, properties.to)
    put(.expiry, properties.absoluteExpiryTime.map { Timestamp(milliseconds: $0).iso8601 })
    for pair in message.applicationProperties.pairs {
      guard let name = pair.key.text else { continue }
      application.append(MessageProperty(name, Self.text(pair.value)))
    }
  }

  /// Takes an application property out.
  package mutating func take(_ name: String) -> String? {
    guard let index = application.firstIndex(where: { $0.name == name }) else { return nil }
    return application.remove(at: index).value
  }

  /// The text of a property's value: the hub's properties are texts.
  package static func text(_ value: AMQPValue) -> String? {
    switch value {
    case .null: nil
    case .string(let text), .symbol(let text): text
    case .boolean(let value): value ? "true" : "false"
    case .float(let value): "\(value)"
    case .double(let value): "\(value)"
    case .char(let value): String(value)
    case .ulong(let value): String(value)
    case .timestamp(let value): Timestamp(milliseconds: value).iso8601
    case .uuid(let bytes): AMQPValue.uuidText(bytes)
    case .binary(let bytes): String(validating: bytes, as: UTF8.self)
    default: value.integer.map { String($0) }
    }
  }
}
