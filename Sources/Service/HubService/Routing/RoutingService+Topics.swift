import HubContract
import NIOCore
import NIOPosix
import Platform

// What is particular to topics of MQTT servers.
extension RoutingService {
  /// Publishes the events of `endpoint` until cancelled, or of one that drains, until `ends`.
  func publish(
    _ endpoint: RoutingEndpoint,
    _ settings: MQTTTopicEndpoint,
    until ends: [UInt64]?
  ) async {
    do throws(HubError) {
      // The hub's settings may have changed since the endpoint was made.
      try checkEncryption(settings, of: endpoint.name)
    } catch {
      return report(endpoint, .failed(error.message))
    }
    let server = MQTTServerConnection(
      settings,
      clientID: settings.clientID ?? "\(hubName)-\(endpoint.name)",
      secrets: "\(directory)/\(Self.secretFolder)",
      on: MultiThreadedEventLoopGroup.singleton.any()
    )
    await deliver(
      endpoint,
      to: MQTTTarget(settings: settings, hubName: hubName, server: server),
      until: ends
    )
    await server.close()
  }

  /// Refuses a topic that can't be served as the hub is set.
  func check(_ settings: MQTTTopicEndpoint, of endpoint: String) throws(HubError) {
    try checkEncryption(settings, of: endpoint)
    for name in settings.fileNames where !PrivateFile.exists(secretPath(name)) {
      throw HubError(
        .argumentInvalid,
        "Endpoint \(endpoint): there is no file \(Self.secretFolder)/\(name) in the hub's data"
          + " directory; put it there, with mode 0600."
      )
    }
  }

  private func checkEncryption(
    _ settings: MQTTTopicEndpoint,
    of endpoint: String
  ) throws(HubError) {
    if !settings.isEncrypted, !(rules.allowsPlainMQTT && settings.isLoopback) {
      throw HubError(
        .argumentInvalid,
        "Endpoint \(endpoint): useTls must be true; a server on this machine itself alone, such as"
          + " 127.0.0.1, may do without, and only where the setting routing.mqtt_plain is true."
      )
    }
  }
}
