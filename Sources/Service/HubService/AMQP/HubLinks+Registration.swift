import AMQP
import AMQPEndpoints
import Endpoints
import HubContract

// Devices of the provisioning service, by the user name of PLAIN or by their certificate (contract
// §6.3).
extension HubLinks {
  func authenticate(userName: String, password: [UInt8]) -> Bool {
    guard let name = ProvisioningUserName(userName.utf8) else { return false }
    authenticate(name, token: password)
    return true
  }

  /// Judges a device by the token that PLAIN has as its password.
  private func authenticate(_ name: ProvisioningUserName, token: [UInt8]) {
    guard let reply = peer.reply else { return }
    let (hub, authenticator) = (hub, peer.authenticator)
    // Answers the connection, which has a deadline of its own.
    Task {
      let session = await hub.registrant(name, token, PresentedChain([]), authenticator)
      reply { peer in
        if let session { peer.hubLinks?.keep(session) }
        peer.connection.judged(isAccepted: session != nil)
      }
    }
  }

  /// Serves a link of a registration, once it is clear whose it is.
  func attachRegistration(_ name: ProvisioningUserName, _ id: LinkID, _ attach: AMQPAttach) {
    guard registrant == nil else { return open(name, id, attach) }
    guard let reply = peer.reply else { return }
    registering[id] = attach
    let (hub, authenticator, chain) = (hub, peer.authenticator, peer.certificates.chain)
    // Answers the link, which ends with the connection.
    Task {
      let session = await hub.registrant(name, nil, chain, authenticator)
      reply { peer in
        guard let links = peer.hubLinks, let attach = links.registering.removeValue(forKey: id)
        else { return }
        if let session, links.registrant == nil { links.keep(session) }
        links.open(name, id, attach)
      }
    }
  }

  private func keep(_ session: ProvisioningSession) {
    registrant = Registrant(session, peer)
    peer.hasShownCredential()
  }

  private func open(_ name: ProvisioningUserName, _ id: LinkID, _ attach: AMQPAttach) {
    guard let registrant, let scope = hub.provisioning?.scope,
      name.scope.lowercased() == scope.lowercased(),
      name.registrationID == registrant.session.registrationID
    else {
      return peer.connection.refuse(
        id,
        AMQPError(
          AMQPError.unauthorizedAccess,
          "the connection does not stand for this registration: authenticate with PLAIN as "
            + "<scope>/registrations/<id> and a token, or with the device's certificate"
        )
      )
    }
    peer.links[id] = registrant.open(id, attach)
  }
}

extension Hub {
  /// The device of a connection to the provisioning service; nil where it may not register, which the
  /// log then tells.
  fileprivate func registrant(
    _ name: ProvisioningUserName,
    _ token: [UInt8]?,
    _ chain: PresentedChain,
    _ authenticator: AMQPAuthenticator
  ) async -> ProvisioningSession? {
    do throws(DeviceAuthenticator.Refusal) {
      return try await registrant(name, token: token, chain: chain)
    } catch {
      authenticator.tell(error.reason, of: name.registrationID)
      return nil
    }
  }
}
