import AMQP
import AMQPCodec
import ByteIO
import Endpoints
import HubContract
import HubEngine
import Logging
import NIOCore
import Platform
import Synchronization

/// One client's AMQP connection: authorises its links and gives each to what serves it.
///
/// Drives an `AMQPConnection`, holds none of AMQP's rules itself. Confined to its event loop; what
/// comes back from elsewhere comes through `later`.
final class AMQPPeer {
  let hub: Hub
  let shared: AMQPService
  let eventLoop: any EventLoop
  let logger: Logger
  /// The machine; its links call it directly and end with `flush`.
  var connection: AMQPConnection

  let certificates: PeerCertificates
  /// Judges what this client shows.
  let authenticator: AMQPAuthenticator
  private weak var handler: AMQPHandler?
  var management = RequestNode()
  var tokens = RequestNode()
  var nodeLinks: [LinkID: Bool] = [:]
  var links: [LinkID: any AMQPLink] = [:]
  var grants: [AMQPGrant] = []
  var devices: [IdentityKey: AMQPDevice] = [:]
  /// Links of identities that are being judged.
  var awaiting: [IdentityKey: [(id: LinkID, attach: AMQPAttach, address: LinkAddress)]] =
    [:]
  /// The device that registers here, once it has shown who it is.
  var registrant: Registrant?
  /// Links of registrations that are being judged.
  var registering: [LinkID: AMQPAttach] = [:]
  var policyEpoch: UInt64 = 0
  private let born: Instant
  private var isOpen = false
  private(set) var isEnded = false
  private var bound: NIOLoopBound<AMQPPeer>?

  /// Grants at most of one connection: a client with more devices than that needs another one.
  static let grantLimit = 4_096

  init(
    shared: AMQPService,
    certificates: PeerCertificates,
    address: String,
    eventLoop: any EventLoop
  ) {
    self.shared = shared
    hub = shared.hub
    self.certificates = certificates
    let trackingID = RequestID().description
    authenticator = shared.authenticator.judging(peerAt: address, trackingID: trackingID)
    self.eventLoop = eventLoop
    logger = shared.hub.logger
    var limits = AMQPConnectionLimits()
    limits.messageBytes = 1 << 20
    connection = AMQPConnection(
      containerID: shared.hub.settings.names.first ?? "hub",
      trackingID: trackingID,
      limits: limits
    )
    born = SystemClock.now()
    bound = NIOLoopBound(self, eventLoop: eventLoop)
  }

  /// Whether the socket takes more.
  var isWritable: Bool { handler?.isWritable ?? false }

  /// The link called `id`, if it lives and is of this kind.
  func link<Link: AMQPLink>(_ id: LinkID, as: Link.Type) -> Link? { links[id] as? Link }

  /// The device's link called `id`, if it lives and is of this kind.
  func deviceLink<Link: AMQPLink>(_ id: LinkID, as: Link.Type) -> Link? {
    link(id, as: DeviceLink.self)?.inner as? Link
  }

  /// The device or module, if it is connected here.
  func device(_ identity: IdentityKey) -> AMQPDevice? { devices[identity] }

  /// The device has no link any more.
  func forget(_ device: AMQPDevice) {
    if devices[device.identity] === device { devices[device.identity] = nil }
  }

  /// Ties the peer to its channel.
  func attach(_ handler: AMQPHandler) { self.handler = handler }

  /// A way back to the loop for what is done elsewhere; nil once the connection has ended.
  var reply: AMQPReply? { bound.map { AMQPReply(peer: $0) } }

  // MARK: From the channel

  func received(_ bytes: Span<UInt8>) {
    connection.receive(bytes)
    work()
  }

  /// The socket takes bytes again.
  func becameWritable() {
    for link in links.values { link.credited() }
    flush()
  }

  func streamEnded() {
    connection.streamEnded()
    work()
    end()
  }

  /// The hub stops.
  func stop() {
    connection.close(AMQPError(AMQPError.connectionForced, "the hub is stopping"))
    flush()
  }

  /// Writes what there is to send, as far as the socket takes it.
  func flush() {
    work()
    handler?.flush()
    if connection.isOver { handler?.close() }
  }

  func tick() {
    let now = SystemClock.now()
    _ = connection.tick(now: now.nanoseconds / 1_000_000)
    let age = now.milliseconds(since: born)
    if !isOpen, age > UInt64(hub.settings.connectSeconds) * 1_000 {
      shared.counters.connectTimeouts.add(1, ordering: .relaxed)
      handler?.close()
      return
    }
    expireGrants()
    if isAnonymous, !connection.isOver, age > UInt64(hub.settings.connectSeconds) * 2_000 {
      shared.counters.connectTimeouts.add(1, ordering: .relaxed)
      connection.close(AMQPError(AMQPError.unauthorizedAccess, "no token came in time"))
    }
    for link in links.values { link.tick() }
    flush()
  }

  /// Notes that the client is no stranger any more.
  func hasShownCredential() {
    if let handler { shared.authenticated(ObjectIdentifier(handler)) }
  }

  /// Whether the client has shown nothing that is good for anything.
  private var isAnonymous: Bool {
    grants.isEmpty && devices.isEmpty && awaiting.isEmpty && registrant == nil
      && certificates.chain.certificates.isEmpty
  }

  // MARK: Events

  private func work() {
    while true {
      let events = connection.nextEvents()
      if events.isEmpty { return }
      for event in events { take(event) }
    }
  }

  private func take(_ event: AMQPEvent) {
    switch event {
    case .authenticating(let begin): authenticate(begin)
    case .opened: isOpen = true
    case .attached(let id, let attach): attached(id, attach)
    case .delivered(let id, let delivery):
      if let isManagement = nodeLinks[id] {
        asked(delivery, isManagement: isManagement)
      } else {
        links[id]?.delivered(delivery)
      }
    case .credited(let id):
      if let isManagement = nodeLinks[id] {
        if isManagement {
          management.credited(on: &connection)
        } else {
          tokens.credited(on: &connection)
        }
      } else {
        links[id]?.credited()
      }
    case .settled(let id, let delivery, let outcome): links[id]?.settled(delivery, outcome)
    case .detached(let id, _):
      if let isManagement = nodeLinks.removeValue(forKey: id) {
        if isManagement { management.detached(id) } else { tokens.detached(id) }
      }
      links.removeValue(forKey: id)?.ended()
      for key in awaiting.keys { awaiting[key]?.removeAll { $0.id == id } }
      registering[id] = nil
    case .closed: end()
    }
  }

  private func end() {
    guard !isEnded else { return }
    isEnded = true
    let ending = links
    links = [:]
    for link in ending.values { link.ended() }
    awaiting = [:]
    registering = [:]
    registrant = nil
    bound = nil
  }
}

/// The way back to a peer's event loop.
struct AMQPReply: Sendable {
  fileprivate let peer: NIOLoopBound<AMQPPeer>

  /// Runs `work` on the loop and sends what it made, unless the connection has ended by then.
  func callAsFunction(_ work: @escaping @Sendable (AMQPPeer) -> Void) {
    let bound = peer
    bound.eventLoop.execute {
      let peer = bound.value
      guard !peer.isEnded else { return }
      work(peer)
      peer.flush()
    }
  }
}
