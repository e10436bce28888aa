/// Where the parts of a CONNECT lie (MQTT 3.1.1 §3.1).
public struct ConnectLayout: BitwiseCopyable, Sendable, Equatable {
  let flags: ConnectFlags
  /// Keep Alive in seconds, 0 meaning off (§3.1.2.10).
  public let keepAliveSeconds: UInt16
  let clientIdentifierField: FieldRange
  let willTopicField: FieldRange
  let willPayloadField: FieldRange
  let userNameField: FieldRange
  let passwordField: FieldRange

  /// The client identifier: valid UTF-8, may be empty (§3.1.3.1).
  public var clientIdentifier: Range<Int> { clientIdentifierField.range }
  /// Whether the session begins anew and ends with the connection (§3.1.2.4).
  public var cleanSession: Bool { flags.cleanSession }
  /// The user name, valid UTF-8, if one was given (§3.1.3.4).
  public var userName: Range<Int>? { flags.hasUserName ? userNameField.range : nil }
  /// The password, any bytes, if one was given (§3.1.3.5).
  public var password: Range<Int>? { flags.hasPassword ? passwordField.range : nil }

  /// The will, if one was given (§3.1.2.5).
  public var will: WillLayout? {
    guard flags.hasWill, let qos = flags.willQoS else { return nil }
    return WillLayout(
      topic: willTopicField.range,
      payload: willPayloadField.range,
      qos: qos,
      retain: flags.willRetain
    )
  }
}

/// Where the parts of a will lie inside its CONNECT (MQTT 3.1.1 §3.1.3.2, §3.1.3.3).
public struct WillLayout: Sendable, Equatable {
  /// A valid topic name.
  public let topic: Range<Int>
  /// Any bytes, at most 65 535.
  public let payload: Range<Int>
  /// QoS to publish it with.
  public let qos: QoS
  /// Whether to publish it retained.
  public let retain: Bool
}

/// The flags byte of a CONNECT (MQTT 3.1.1 §3.1.2.3).
@usableFromInline
struct ConnectFlags: BitwiseCopyable, Sendable, Equatable {
  @usableFromInline let rawValue: UInt8

  @usableFromInline
  init(rawValue: UInt8) { self.rawValue = rawValue }

  @usableFromInline
  init(cleanSession: Bool, will: Will?, hasUserName: Bool, hasPassword: Bool) {
    var value: UInt8 = cleanSession ? 0x02 : 0
    if let will { value |= 0x04 | will.qos.rawValue << 3 | (will.retain ? 0x20 : 0) }
    if hasPassword { value |= 0x40 }
    if hasUserName { value |= 0x80 }
    self.rawValue = value
  }

  var reserved: Bool { rawValue & 0x01 != 0 }
  var cleanSession: Bool { rawValue & 0x02 != 0 }
  var hasWill: Bool { rawValue & 0x04 != 0 }
  var willQoS: QoS? { QoS(rawValue: rawValue >> 3 & 3) }
  var willRetain: Bool { rawValue & 0x20 != 0 }
  var hasPassword: Bool { rawValue & 0x40 != 0 }
  var hasUserName: Bool { rawValue & 0x80 != 0 }
  var hasWillSettings: Bool { rawValue & 0x38 != 0 }
}
