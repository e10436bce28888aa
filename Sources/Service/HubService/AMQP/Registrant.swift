import AMQP
import AMQPCodec
import AMQPEndpoints
import Endpoints
import HubContract

/// A device that registers over AMQP: requests come on one link, answers go on the other (contract
/// §6.3).
///
/// Confined to the connection's event loop.
final class Registrant {
  /// Answers at most that wait for a link or for credit; beyond it the oldest is given up.
  private static let waitingLimit = 16

  let session: ProvisioningSession
  private unowned let peer: AMQPPeer
  private var answers: LinkID?
  private var waiting: [[UInt8]] = []
  private var tag: UInt32 = 0

  init(_ session: ProvisioningSession, _ peer: AMQPPeer) {
    self.session = session
    self.peer = peer
  }

  /// Accepts a link of the device's own registration.
  func open(_ id: LinkID, _ attach: AMQPAttach) -> any AMQPLink {
    guard !attach.isPeerSender else {
      peer.connection.accept(id, credit: RegistrationRequestLink.window)
      return RegistrationRequestLink(self, peer)
    }
    peer.connection.accept(id, isPresettled: true)
    answers = id
    return RegistrationAnswerLink(id, self)
  }

  /// Answers a request, now or when the device gives credit.
  func answer(_ reply: ProvisioningReply, _ correlation: AMQPValue) {
    var message = AMQPMessage(body: .data([reply.body]))
    message.properties.correlationID = correlation
    if let seconds = reply.retryAfterSeconds {
      message.applicationProperties = AMQPMap(strings: [
        ("retry-after", .int(Int32(clamping: seconds)))
      ])
    }
    if waiting.count >= Self.waitingLimit { waiting.removeFirst() }
    waiting.append(message.encoded)
    sendWaiting()
  }

  /// Sends what waits, as far as there is credit.
  func sendWaiting() {
    guard let answers else { return }
    while let message = waiting.first, peer.connection.credit(of: answers) > 0 {
      waiting.removeFirst()
      tag &+= 1
      let number = tag
      peer.connection.send(
        message.span,
        on: answers,
        tag: (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) },
        isSettled: true
      )
    }
  }

  /// The link of the answers is gone, if it was this one.
  func ended(_ id: LinkID) {
    if answers == id { answers = nil }
  }
}

/// The link on which a device asks for its registration.
///
/// What is refused is rejected with the error's JSON as its description, as over HTTPS.
final class RegistrationRequestLink: AMQPLink {
  static let window: Int32 = 4

  private let registrant: Registrant
  private unowned let peer: AMQPPeer

  var requirement: AMQPRequirement? { nil }

  init(_ registrant: Registrant, _ peer: AMQPPeer) {
    self.registrant = registrant
    self.peer = peer
  }

  func delivered(_ delivery: AMQPDelivery) {
    guard let message = peer.connection.read(delivery) else { return }
    let properties = message.applicationProperties
    let operation = properties["iotdps-operation-type"]?.text
    let request: ProvisioningTopics.Request
    switch (operation, properties["iotdps-operation-id"]?.text) {
    case ("iotdps-register", _): request = .register(requestID: "")
    case ("iotdps-get-operationstatus", let id?) where !id.isEmpty:
      request = .status(requestID: "", operationID: id)
    default:
      let error = AMQPError(
        AMQPError.invalidField,
        "iotdps-operation-type must be iotdps-register, or iotdps-get-operationstatus with an "
          + "iotdps-operation-id"
      )
      return peer.connection.settle(delivery.id, .rejected(error))
    }
    let correlation = message.properties.correlationID
    guard let reply = peer.reply else { return }
    registrant.session.answer(request, body: message.payload ?? []) { answer in
      reply { peer in
        guard answer.status < 300 else {
          return peer.connection.settle(delivery.id, .rejected(Self.refusal(answer)))
        }
        peer.connection.settle(delivery.id, .accepted)
        peer.hubLinks?.registrant?.answer(answer, correlation)
      }
    }
  }

  /// Why a request is refused.
  private static func refusal(_ answer: ProvisioningReply) -> AMQPError {
    let condition =
      switch answer.status {
      case 401, 403: AMQPError.unauthorizedAccess
      case 404: AMQPError.notFound
      case 429: AMQPError.resourceLimitExceeded
      case 500...: AMQPError.internalError
      default: AMQPError.notAllowed
      }
    let again: AMQPMap? = answer.retryAfterSeconds.map {
      ["retry-after": .int(Int32(clamping: $0))]
    }
    return AMQPError(
      condition,
      String(decoding: answer.body, as: UTF8.self),
      info: again ?? [:]
    )
  }
}

/// The link on which a device gets the answers.
final class RegistrationAnswerLink: AMQPLink {
  private let id: LinkID
  private let registrant: Registrant

  var requirement: AMQPRequirement? { nil }

  init(_ id: LinkID, _ registrant: Registrant) {
    self.id = id
    self.registrant = registrant
  }

  func credited() { registrant.sendWaiting() }
  func ended() { registrant.ended(id) }
}
