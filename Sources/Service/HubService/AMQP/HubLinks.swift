import AMQP
import AMQPCodec
import AMQPEndpoints
import HubContract
import HubEngine

/// What the hub gives clients of AMQP besides the links of devices: those of services, event streams,
/// the node `$management`, and registrations.
///
/// Confined to the connection's event loop.
final class HubLinks: AMQPServiceLinks {
  let hub: Hub
  let events: EventStreams
  unowned let peer: AMQPPeer
  var management = RequestNode()
  /// The device that registers here, once it has shown who it is.
  var registrant: Registrant?
  /// Links of registrations that are being judged.
  var registering: [LinkID: AMQPAttach] = [:]

  var hasShownCredential: Bool { registrant != nil }

  init(_ hub: Hub, _ events: EventStreams, _ peer: AMQPPeer) {
    self.hub = hub
    self.events = events
    self.peer = peer
  }

  func attached(_ id: LinkID, _ attach: AMQPAttach, _ address: LinkAddress) {
    switch address {
    case .management:
      peer.links[id] = ManagementLink(id, self)
      management.attached(id, attach, on: &peer.connection)
    case .cloudToDevice, .feedback, .fileNotifications, .events:
      let requirement = AMQPRequirement(address: address, rights: .serviceConnect)
      guard peer.allows(requirement) else {
        peer.authenticator.tell("no token for the link's address", of: peer.grants.first?.client)
        return peer.connection.refuse(id, AMQPPeer.unauthorized)
      }
      serve(id, attach, requirement)
    case .registration(let name): attachRegistration(name, id, attach)
    case .stream where attach.isPeerSender:
      // Whoever sends is a device, and proves it. Stock clients show the text of this condition, and
      // not that of the original's `amqp:unauthorized-access`.
      peer.connection.refuse(
        id,
        AMQPError(
          AMQPError.notAllowed,
          "nobody may send to the event stream; send as a device, to /devices/{id}/messages/events"
        )
      )
    case .stream:
      peer.connection.refuse(id, AMQPError("amqp:not-implemented", "not served by this hub"))
    case .claimsBasedSecurity, .telemetry, .deviceBound, .methods, .twin:
      peer.connection.refuse(id, AMQPError(AMQPError.notFound, "no such address here"))
    }
  }

  func detached(_ id: LinkID) { registering[id] = nil }

  func ended() {
    registering = [:]
    registrant = nil
  }

  private func serve(_ id: LinkID, _ attach: AMQPAttach, _ requirement: AMQPRequirement) {
    switch (requirement.address, attach.isPeerSender) {
    case (.cloudToDevice, true):
      peer.links[id] = CloudToDeviceLink(hub, peer, requirement)
      peer.connection.accept(id, credit: CloudToDeviceLink.window)
    case (.feedback, false):
      peer.connection.accept(id)
      peer.links[id] = ServiceBoundLink(id, hub, peer, requirement, .feedback)
    case (.fileNotifications, false):
      peer.connection.accept(id)
      peer.links[id] = ServiceBoundLink(id, hub, peer, requirement, hub.fileNotifications)
    case (.events(let entity, let group, let partition), false):
      do throws(AMQPError) {
        let link = try events.open(
          id,
          attach,
          entity: entity,
          group: group,
          partition: partition,
          peer,
          requirement
        )
        peer.connection.accept(id, isPresettled: true)
        peer.links[id] = link
      } catch {
        peer.connection.refuse(id, error)
      }
    default:
      peer.connection.refuse(
        id,
        AMQPError(AMQPError.notAllowed, "this address is served in the other direction only")
      )
    }
  }

  func answerManagement(_ request: NodeRequest) {
    let asked: EventManagement.Request
    do throws(RequestRefusal) {
      asked = try EventManagement.Request(request)
    } catch {
      return management.answer(request, with: error.answer, on: &peer.connection)
    }
    let requirement = AMQPRequirement(
      address: .stream(entity: asked.entity, partition: nil),
      rights: .serviceConnect
    )
    if peer.allows(requirement) {
      return management.answer(request, with: events.answer(asked), on: &peer.connection)
    }
    guard let token = asked.token else {
      peer.authenticator.tell("no token for this event stream", of: peer.grants.first?.client)
      let refusal = RequestRefusal(401, "no valid token for this event stream")
      return management.answer(request, with: refusal.answer, on: &peer.connection)
    }
    let (authenticator, events) = (peer.authenticator, events)
    guard let reply = peer.reply else { return }
    Task {
      var answer = RequestRefusal(401, "no valid token for this event stream").answer
      if let grant = try? await authenticator.judge(token, audience: nil) {
        if grant.allows(requirement.address, needing: requirement.rights) {
          answer = events.answer(asked)
        } else {
          authenticator.tell("no token for this event stream", of: grant.client)
        }
      }
      let made = answer
      reply { peer in
        peer.hubLinks?.management.answer(request, with: made, on: &peer.connection)
      }
    }
  }
}

/// A client's link to `$management`, in either direction.
private final class ManagementLink: AMQPLink {
  private let id: LinkID
  private unowned let owner: HubLinks

  var requirement: AMQPRequirement? { nil }

  init(_ id: LinkID, _ owner: HubLinks) {
    self.id = id
    self.owner = owner
  }

  func delivered(_ delivery: AMQPDelivery) {
    guard let request = owner.management.delivered(delivery, on: &owner.peer.connection) else {
      return
    }
    owner.answerManagement(request)
  }

  func credited() { owner.management.credited(on: &owner.peer.connection) }
  func ended() { owner.management.detached(id) }
}

extension AMQPPeer {
  /// What the hub gives this client.
  var hubLinks: HubLinks? { services as? HubLinks }
}
