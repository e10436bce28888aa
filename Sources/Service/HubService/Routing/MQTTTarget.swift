import Endpoints
import HubContract
import HubEngine
import JSONTree
import MQTT
import Platform

/// A topic of an MQTT server as what events are brought to, at QoS 1.
struct MQTTTarget: DeliveryTarget {
  /// How long the server has for its acknowledgements.
  private static let answerSeconds = 30

  private typealias Publish = (topic: [UInt8], payload: [UInt8])

  let settings: MQTTTopicEndpoint
  let hubName: String
  let server: MQTTServerConnection

  var batchCount: Int { settings.inFlightCount }
  var timeToLiveSeconds: Int { settings.timeToLiveSeconds }

  func send(_ messages: ArraySlice<RoutedMessage>) async -> DeliveryAnswer {
    let publishes = messages.map { message in
      (
        topic: Array(message.topic(settings.topic, hubName: hubName).utf8),
        payload: payload(message)
      )
    }
    do {
      let opened = try await server.open()
      do {
        try await publish(publishes, opened)
      } catch let fault as ClientFault where fault.mayMend && !opened.isNew {
        // The server may have closed it at any time before, which says nothing of the server now.
        try Task.checkCancellation()
        try await publish(publishes, try await server.open())
      }
      return .taken
    } catch {
      switch error as? ClientFault {
      // The largest packet that there is can't hold it, and never will.
      case .unencodable?: return .failed(.rejected, reason: "\(error)")
      // Nobody but this target leaves.
      case .ended(.disconnected)?:
        return .failed(
          .unavailable,
          reason: "no acknowledgement within \(Self.answerSeconds) seconds"
        )
      default: return .failed(.unavailable, reason: "\(error)")
      }
    }
  }

  /// Publishes on a connection, which is given up if acknowledgements don't come or the task is cancelled.
  private func publish(
    _ publishes: [Publish],
    _ opened: MQTTServerConnection.Opened
  ) async throws {
    let link = opened.link
    do {
      try await withTaskCancellationHandler {
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask {
            try await Pause.sleep(for: .seconds(Self.answerSeconds))
            link.disconnect()
          }
          defer { group.cancelAll() }
          try await link.publish(publishes)
        }
      } onCancel: {
        link.disconnect()
      }
    } catch {
      await server.drop(opened)
      throw error
    }
  }

  private func payload(_ message: RoutedMessage) -> [UInt8] {
    switch settings.payload {
    case .cloudEvents: JSON.bytes(message.cloudEvent(hubName: hubName))
    case .body: message.body
    }
  }
}
