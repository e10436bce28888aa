internal import ByteIO

/// Which reports about a cloud-to-device message its sender wants (contract §3.5).
public enum DeliveryAcknowledgement: String, Sendable, CaseIterable {
  /// None.
  case none
  /// When the device completed it.
  case positive
  /// When it expired or was rejected.
  case negative
  /// Both.
  case full
}

/// Writes a property bag.
///
/// Everything but unreserved characters is escaped in names and values, a `/` too: the stock device
/// client takes the bag as one topic level (contract §3.5). Keys of system properties are written
/// with a bare `$`, as the original does.
public struct PropertyBagWriter: Sendable {
  /// The bag so far.
  public private(set) var bytes: [UInt8] = []

  /// Creates an empty bag.
  public init() {}

  /// Appends a system property; an absent value appends nothing.
  public mutating func append(_ property: SystemProperty, _ value: String?) {
    guard let value else { return }
    separate()
    bytes.append(contentsOf: property.rawValue.utf8)
    bytes.append(UInt8(ascii: "="))
    PercentCoding.append(value.utf8, to: &bytes)
  }

  /// Appends an application property; a nil value is written as a key alone.
  public mutating func append(_ property: MessageProperty) {
    separate()
    PercentCoding.append(property.name.utf8, to: &bytes)
    guard let value = property.value else { return }
    bytes.append(UInt8(ascii: "="))
    PercentCoding.append(value.utf8, to: &bytes)
  }

  /// Appends the acknowledgement wish of a cloud-to-device message.
  public mutating func append(_ acknowledgement: DeliveryAcknowledgement) {
    separate()
    bytes.append(contentsOf: "iothub-ack=\(acknowledgement.rawValue)".utf8)
  }

  /// The bag of a cloud-to-device message to `deviceID`.
  ///
  /// `$.to` comes first, as in the original, then the system properties in the order given, the
  /// acknowledgement if one was asked for, and the application properties (contract §3.5).
  public static func devicebound(
    deviceID: String,
    system: [(SystemProperty, String?)],
    acknowledgement: DeliveryAcknowledgement?,
    application: [MessageProperty]
  ) -> [UInt8] {
    var writer = PropertyBagWriter()
    writer.append(.to, "/devices/\(deviceID)/messages/deviceBound")
    for (property, value) in system where property != .to { writer.append(property, value) }
    if let acknowledgement { writer.append(acknowledgement) }
    for property in application { writer.append(property) }
    return writer.bytes
  }

  private mutating func separate() {
    if !bytes.isEmpty { bytes.append(UInt8(ascii: "&")) }
  }
}
