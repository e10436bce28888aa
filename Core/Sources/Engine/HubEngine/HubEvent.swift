public import HubContract

/// An event that the hub itself makes (contract §9.3).
public struct HubEvent: Equatable, Sendable {
  /// Which source of routes an event belongs to.
  public typealias Source = EventSource

  /// The sources that events come from here.
  public static let sources: Set<EventSource> = [
    .twinChange, .deviceLifecycle, .deviceConnectionState,
  ]

  /// What happened, the value of `opType`.
  public enum Operation: String, Sendable, CaseIterable {
    /// A section was patched.
    case updateTwin
    /// Tags and desired properties were replaced.
    case replaceTwin
    /// A device or module was created.
    case createDeviceIdentity
    /// A device or module was deleted.
    case deleteDeviceIdentity
    /// A client connected.
    case deviceConnected
    /// A client went.
    case deviceDisconnected
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

  /// Which source of routes it belongs to.
  public var source: Source {
    switch operation {
    case .updateTwin, .replaceTwin: .twinChange
    case .createDeviceIdentity, .deleteDeviceIdentity: .deviceLifecycle
    case .deviceConnected, .deviceDisconnected: .deviceConnectionState
    }
  }

  /// The value of `iothub-message-schema`.
  public var schema: String {
    switch operation {
    case .updateTwin, .replaceTwin: "twinChangeNotification"
    case .createDeviceIdentity, .deleteDeviceIdentity: "deviceLifecycleNotification"
    case .deviceConnected, .deviceDisconnected: "deviceConnectionStateNotification"
    }
  }
}
