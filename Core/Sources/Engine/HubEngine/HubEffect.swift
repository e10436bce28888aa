public import HubContract

/// What has happened to an identity, as far as its live connections care.
public enum IdentityChange: Equatable, Sendable {
  /// It is new.
  case created
  /// Something changed that touches no connection.
  case updated
  /// A key or thumbprint changed: whoever authenticated by what is gone must be dropped.
  case credentialsReplaced
  /// It was disabled: its connections and those of its modules must be dropped.
  case disabled
  /// It is gone: its connections must be dropped.
  case deleted
}

/// A change of desired properties, as the device is told of it (contract §3.6).
public struct DesiredChange: Equatable, Sendable {
  /// Whose twin changed.
  public var key: IdentityKey
  /// The section's new version.
  public var version: UInt64
  /// The patch as the service sent it, or the whole section, with `$version` inside.
  public var body: [UInt8]
  /// Whether `body` is the whole section.
  public var isComplete: Bool

  /// Creates a change.
  public init(key: IdentityKey, version: UInt64, body: [UInt8], isComplete: Bool) {
    self.key = key
    self.version = version
    self.body = body
    self.isComplete = isComplete
  }
}

/// What the driver has to do once the transaction of the commands is durable, in this order.
///
/// If the transaction fails instead, its effects must be thrown away.
public enum HubEffect: Equatable, Sendable {
  /// An identity changed: drop or check its live connections within the time of contract §3.2.
  case identityChanged(IdentityKey, IdentityChange)
  /// A policy changed or went: check the connections that authenticated by it.
  case policyChanged(name: String)
  /// An authority changed or went: check the connections that authenticated by it.
  case certificateAuthorityChanged(name: String)
  /// Tell the client, if it is connected and subscribed; nothing is queued.
  case desiredChanged(DesiredChange)
  /// A twin is new or has changed, and routes ask for twins.
  case twinChanged(TwinRecord)
  /// A device's queue has messages that nobody holds.
  case cloudToDeviceAvailable(deviceID: String)
  /// Feedback waits that nobody holds.
  case feedbackAvailable
  /// Events of the hub's own wait to be appended to the log (`HubView.outgoingEvents`).
  case eventsWaiting
  /// News of an uploaded file waits that nobody holds.
  case fileNotificationAvailable
  /// Some parts of blobs may have become garbage.
  case filesDiscarded

  /// Whether it is to be carried out before the commands are answered: who knows of a twin's change may
  /// count on it where messages are routed, and who withdrew an authority, that nobody comes by it.
  public var precedesAnswers: Bool {
    switch self {
    case .twinChanged, .certificateAuthorityChanged: true
    case .identityChanged, .policyChanged, .desiredChanged, .cloudToDeviceAvailable,
      .feedbackAvailable, .eventsWaiting, .fileNotificationAvailable, .filesDiscarded:
      false
    }
  }
}
