import Endpoints
import HubContract
import HubEngine
import JSONTree
import Platform
import ProvisioningEngine

/// A device that speaks to the provisioning service over MQTT (contract §6.1).
final class ProvisioningSession: ProvisioningClient {
  let registrationID: String
  private let service: ProvisioningService
  private let credential: PresentedCredential

  init(_ service: ProvisioningService, _ id: String, _ credential: PresentedCredential) {
    self.service = service
    registrationID = id
    self.credential = credential
  }

  func answer(
    _ request: ProvisioningTopics.Request,
    body: [UInt8],
    reply: @escaping @Sendable (ProvisioningReply) -> Void
  ) {
    // Answers the connection, which has a deadline of its own.
    Task { reply(await answer(request, body: body)) }
  }

  private func answer(
    _ request: ProvisioningTopics.Request,
    body: [UInt8]
  ) async -> ProvisioningReply {
    let now = Timestamp(ticks: SystemClock.wallTicks())
    do throws(HubError) {
      let operation: OperationRecord
      switch request {
      case .register:
        operation = try await service.register(
          registrationID,
          try RegistrationRequest(body),
          credential,
          now: now
        )
      case .status(_, let operationID):
        operation = try await service.operation(
          operationID,
          of: registrationID,
          credential,
          now: now
        )
      }
      let isNew = if case .register = request { true } else { false }
      // Stock clients of other languages want an operation first, whatever its state.
      guard isNew || !operation.isFinished else {
        return ProvisioningReply(status: 200, body: JSON.bytes(operation.json))
      }
      return ProvisioningReply(
        status: 202,
        retryAfterSeconds: service.store.rules.retryAfterSeconds,
        body: JSON.bytes(operation.assigning)
      )
    } catch {
      let text = error.body(.provisioning, trackingID: RequestID().trackingID, time: now)
      return ProvisioningReply(
        status: error.code.httpStatus,
        retryAfterSeconds: error.code.httpStatus >= 429 ? 5 : nil,
        body: JSON.bytes(text)
      )
    }
  }
}

extension OperationRecord {
  /// What a device is told that asked for the registration: come back.
  var assigning: JSONValue { ["operationId": .string(id), "status": "assigning"] }
}
