import HubContract
import HubEngine
import JSONTree
import Platform
import ProvisioningEngine

/// Asks the webhooks of custom allocations which hub a device gets (contract §6.7).
struct AllocationWebhook: Sendable {
  /// How long a webhook may take, in seconds.
  static let seconds: Int64 = 5
  /// How often it is asked; a device waits meanwhile.
  static let tries = 3

  let client: OutboundClient

  /// What the webhook answers, or why it is none.
  func ask(_ webhook: CustomAllocation, body: JSONValue) async -> ProvisioningResult {
    let body = JSON.bytes(body)
    var reason = ""
    for attempt in 1...Self.tries {
      do throws(OutboundClient.Failure) {
        let answer = try await client.send(
          "POST",
          webhook.webhookURL,
          headers: [],
          body: body,
          seconds: Self.seconds
        )
        if let result = Self.read(answer) { return result }
        reason = "it answered \(answer.status)"
      } catch {
        reason = error.reason
      }
      guard attempt < Self.tries else { break }
      try? await Pause.sleep(for: .milliseconds(500 * attempt))
    }
    return Self.failed(reason)
  }

  /// The result that an answer stands for; nil where another attempt may get a better one.
  static func read(_ answer: OutboundClient.Answer) -> ProvisioningResult? {
    switch answer.status {
    case 200: break
    case 401, 403:
      return .refused(
        HubError(
          .customAllocationUnauthorized,
          "The webhook of the custom allocation refuses this service: it answered \(answer.status)."
        )
      )
    case 408, 429, 500...: return nil
    default: return failed("it answered \(answer.status)")
    }
    do throws(HubError) {
      return try allocation(try RequestBody.parse(answer.body))
    } catch {
      return failed("its answer cannot be used: \(error.message)")
    }
  }

  private static func allocation(_ body: JSONValue) throws(HubError) -> ProvisioningResult {
    let fields = try BodyFields(body)
    func given(_ name: String) -> JSONValue? {
      guard let value = body[name], !value.isNull else { return Optional.none }
      return value
    }
    let (twin, payload) = (given("initialTwin"), given("payload"))
    if let payload, JSON.bytes(payload).count > RegistrationRequest.payloadLimit {
      throw fields.invalid("payload", "is longer than \(RegistrationRequest.payloadLimit) bytes.")
    }
    return .allocated(
      hub: try fields.string("iotHubHostName"),
      initialTwin: try twin.map { value throws(HubError) in try InitialTwin(json: value) },
      payload: payload
    )
  }

  private static func failed(_ reason: String) -> ProvisioningResult {
    .refused(
      HubError(.customAllocationFailed, "The webhook of the custom allocation failed: \(reason).")
    )
  }
}
