import AMQPCodec
import HubContract

extension AMQPMessage {
  /// A message to a device or module, from the properties that a hub keeps of it.
  ///
  /// System properties in `annotating` become message annotations of the names there; others that
  /// AMQP has no field for become application properties.
  init(body: [UInt8], bag: borrowing PropertyBag, annotating names: [SystemProperty: String]) {
    self.init(body: .data([body]))
    var application: [(String, AMQPValue)] = []
    for property in bag.properties() {
      guard let system = SystemProperty(rawValue: property.name), let value = property.value else {
        application.append((property.name, property.value.map { .string($0) } ?? .null))
        continue
      }
      switch system {
      case .messageID: properties.messageID = .string(value)
      case .correlationID: properties.correlationID = .string(value)
      case .userID: properties.userID = Array(value.utf8)
      case .to: properties.to = value
      case .contentType: properties.contentType = value
      case .contentEncoding: properties.contentEncoding = value
      case .expiry: properties.absoluteExpiryTime = Timestamp(iso8601: value)?.milliseconds
      default:
        if let name = names[system] {
          messageAnnotations.pairs.append(.init(.symbol(name), .string(value)))
        } else {
          application.append((property.name, .string(value)))
        }
      }
    }
    applicationProperties = AMQPMap(strings: application)
  }
}
