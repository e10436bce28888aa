public import HubContract

extension RoutedMessage {
  /// Where an endpoint that is a topic publishes it.
  public func topic(_ format: MQTTTopicFormat, hubName: String) -> String {
    format.topic(
      hub: hubName,
      sender: IdentityKey(
        deviceID: properties.annotation("iothub-connection-device-id") ?? "",
        moduleID: properties.annotation("iothub-connection-module-id")
      ),
      partition: partition,
      source: source
    )
  }
}
