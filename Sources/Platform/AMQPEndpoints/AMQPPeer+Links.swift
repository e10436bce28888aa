import AMQP
import AMQPCodec
import Endpoints
import HubContract

// Links, by what their addresses name.
extension AMQPPeer {
  func attached(_ id: LinkID, _ attach: AMQPAttach) {
    guard let address = attach.address.flatMap({ LinkAddress($0) }) else {
      return connection.refuse(id, AMQPError(AMQPError.notFound, "no such address here"))
    }
    switch address {
    case .claimsBasedSecurity:
      links[id] = TokenLink(id, self)
      tokens.attached(id, attach, on: &connection)
    case .telemetry(let key), .deviceBound(let key), .methods(let key), .twin(let key):
      attachDevice(key, id, attach, address)
    default:
      guard let services else {
        return connection.refuse(id, AMQPError(AMQPError.notFound, "no such address here"))
      }
      services.attached(id, attach, address)
    }
  }

  /// Serves a link of a device or module, which with its first link becomes connected.
  func attachDevice(
    _ key: IdentityKey,
    _ id: LinkID,
    _ attach: AMQPAttach,
    _ address: LinkAddress
  ) {
    if let device = devices[key] { return open(id, attach, address, of: device) }
    guard awaiting[key] == nil else {
      awaiting[key]?.append((id, attach, address))
      return
    }
    let wish: AdmissionWish
    do throws(AMQPError) {
      wish = try AdmissionWish(key, attach)
    } catch {
      return connection.refuse(id, error)
    }
    awaiting[key] = [(id, attach, address)]
    admit(wish, isSecondTry: false)
  }

  func admit(_ wish: AdmissionWish, isSecondTry: Bool) {
    guard let reply else { return }
    let key = wish.identity
    let (authenticator, grants, chain) = (authenticator, grants, certificates.chain)
    // Answers the links that wait; they end with the connection.
    Task {
      let admitted = await authenticator.admit(wish, grants, chain)
      reply { peer in
        guard let admitted else { return peer.admitted(key, nil) }
        let device = AMQPDevice(admitted, peer)
        if device.establish() { return peer.admitted(key, device) }
        // The registry has changed meanwhile.
        guard !isSecondTry else { return peer.admitted(key, nil) }
        peer.admit(wish, isSecondTry: true)
      }
    }
  }

  func admitted(_ key: IdentityKey, _ device: AMQPDevice?) {
    let waiting = awaiting.removeValue(forKey: key) ?? []
    guard let device else {
      for link in waiting { connection.refuse(link.id, Self.unauthorized) }
      return
    }
    devices[key] = device
    hasShownCredential()
    for link in waiting { open(link.id, link.attach, link.address, of: device) }
    device.endIfUnused()
  }

  func open(
    _ id: LinkID,
    _ attach: AMQPAttach,
    _ address: LinkAddress,
    of device: AMQPDevice
  ) {
    do throws(AMQPError) {
      links[id] = try device.open(id, attach, address)
    } catch {
      connection.refuse(id, error)
    }
  }
}
