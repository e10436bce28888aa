import Glibc
import HubContract
import HubEngine
import JSONTree
import Platform

/// A webhook as what events are brought to.
struct WebhookTarget: DeliveryTarget {
  let settings: WebhookEndpoint
  let hubName: String
  let client: WebhookClient
  /// Where the secret is, if there is one.
  let secretPath: String?

  var batchCount: Int { settings.batchCount }
  var timeToLiveSeconds: Int { settings.timeToLiveSeconds }

  func send(_ messages: ArraySlice<RoutedMessage>) async -> DeliveryAnswer {
    do throws(FileFault) {
      let secret = try secret()
      return await client.post(
        body(messages),
        type: settings.batchCount > 1
          ? RoutedMessage.cloudEventBatchType : RoutedMessage.cloudEventType,
        secret: secret,
        to: settings
      )
    } catch {
      return .failed(.unavailable, reason: "its secret cannot be read: \(error)")
    }
  }

  private func body(_ messages: ArraySlice<RoutedMessage>) -> [UInt8] {
    let events = messages.map { $0.cloudEvent(hubName: hubName) }
    // Events of an endpoint that takes several come in an array, also one by itself.
    guard settings.batchCount == 1, let event = events.first else {
      return JSON.bytes(.array(events))
    }
    return JSON.bytes(event)
  }

  /// The header that proves who posts; read for each request, so that its file can be replaced.
  private func secret() throws(FileFault) -> (header: String, value: String)? {
    guard let secretPath, let secret = settings.secret else { return nil }
    let line = try SecretFile.line(secretPath)
    // Whatever else may stand in a file is no value of a header (RFC 9110 §5.5).
    guard line.allSatisfy({ (0x20...0x7E).contains($0) }) else {
      throw FileFault("take the one line of printable ASCII that must be in", secretPath, EINVAL)
    }
    return (secret.header, String(decoding: line, as: UTF8.self))
  }
}
