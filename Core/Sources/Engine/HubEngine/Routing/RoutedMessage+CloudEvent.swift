import HubContract
public import JSONTree

extension RoutedMessage {
  /// Media type of one event as a request's body (CloudEvents 1.0, JSON format §3).
  public static let cloudEventType = "application/cloudevents+json; charset=utf-8"
  /// Media type of an array of events (CloudEvents 1.0, JSON format §4).
  public static let cloudEventBatchType = "application/cloudevents-batch+json; charset=utf-8"

  /// The message as a CloudEvent in the JSON format (CloudEvents 1.0 §3).
  ///
  /// The identifier is the place in the log, so an event that is delivered twice has the same one. The
  /// `data` is what the original's event service sends: `properties`, `systemProperties` and `body`.
  public func cloudEvent(hubName: String) -> JSONValue {
    let device = properties.annotation("iothub-connection-device-id") ?? ""
    let module = properties.annotation("iothub-connection-module-id").map { "/modules/\($0)" } ?? ""
    let pairs: [(String, String?)] = [
      ("iothub-connection-device-id", device),
      (
        "iothub-connection-module-id", properties.annotation("iothub-connection-module-id")
      ),
      ("iothub-connection-auth-method", properties.annotation("iothub-connection-auth-method")),
      (
        "iothub-connection-auth-generation-id",
        properties.annotation("iothub-connection-auth-generation-id")
      ),
      ("iothub-content-type", properties.contentType),
      ("iothub-content-encoding", properties.contentEncoding),
      ("iothub-message-id", properties.messageID),
      ("iothub-correlation-id", properties.correlationID),
      ("iothub-enqueuedtime", enqueuedTime.iso8601),
      ("iothub-message-source", source.name),
    ]
    let system = pairs.compactMap { key, value in value.map { (key: key, value: $0) } }
    return [
      "specversion": "1.0",
      "id": .string("\(partition)-\(sequence)"),
      "source": .string("/hubs/\(hubName)"),
      "type": .string(cloudEventTypeName),
      "subject": .string("devices/\(device)\(module)"),
      "time": .string(enqueuedTime.iso8601),
      "datacontenttype": "application/json",
      "data": [
        "properties": Self.object(applicationProperties),
        "systemProperties": Self.object(system),
        "body": jsonBody,
      ],
    ]
  }

  /// The names of the original's event service where it has one.
  private var cloudEventTypeName: String {
    switch source {
    case .telemetry: return "Microsoft.Devices.DeviceTelemetry"
    case .deviceLifecycle:
      return operation == "deleteDeviceIdentity"
        ? "Microsoft.Devices.DeviceDeleted" : "Microsoft.Devices.DeviceCreated"
    case .deviceConnectionState:
      return operation == "deviceDisconnected"
        ? "Microsoft.Devices.DeviceDisconnected" : "Microsoft.Devices.DeviceConnected"
    case .twinChange, .digitalTwinChange, .deviceJobLifecycle: return "orrery.\(source.name)"
    }
  }

  private var operation: String? {
    properties.application.first { $0.name == "opType" }?.value
  }
}
