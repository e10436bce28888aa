public import HubContract

/// An event that the hub itself makes (contract §9.3).
public struct HubEvent: Equatable, Sendable {
  /// Which source of routes it belongs to.
  public enum Source: String, Sendable, CaseIterable {
    /// Tags, desired or reported properties changed.
    case twinChange = "twinChangeEvents"
    /// An identity was created or deleted.
    case lifecycle = "deviceLifecycleEvents"
    /// An identity connected or disconnected.
    case connectionState = "deviceConnectionStateEvents"
  }

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
    case .createDeviceIdentity, .deleteDeviceIdentity: .lifecycle
    case .deviceConnected, .deviceDisconnected: .connectionState
    }
  }

  /// The value of `iothub-message-schema`.
  public var schema: String {
    switch source {
    case .twinChange: "twinChangeNotification"
    case .lifecycle: "deviceLifecycleNotification"
    case .connectionState: "deviceConnectionStateNotification"
    }
  }
}
