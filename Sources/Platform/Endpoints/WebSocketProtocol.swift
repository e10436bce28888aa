import NIOHTTP1

/// What is spoken inside a WebSocket, by its subprotocol (contract "Listeners", "WebSocket").
package enum WebSocketProtocol: String, CaseIterable, Sendable {
  /// MQTT.
  case mqtt
  /// AMQP 1.0.
  case amqp = "AMQPWSB10"

  /// The first of these that a request offers; names are compared without regard to case.
  init?(offeredIn head: HTTPRequestHead) {
    for offered in head.headers[canonicalForm: "sec-websocket-protocol"] {
      let name = offered.lowercased()
      guard let known = Self.allCases.first(where: { $0.rawValue.lowercased() == name }) else {
        continue
      }
      self = known
      return
    }
    return nil
  }
}
