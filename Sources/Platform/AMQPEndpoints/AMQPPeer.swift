package import AMQP
import AMQPCodec
import ByteIO
package import Endpoints
import HubContract
package import Logging
import NIOCore
import Platform
import Synchronization

/// One client's AMQP connection: authorises its links and gives each to what serves it.
///
/// Drives an `AMQPConnection`, holds none of AMQP's rules itself. Confined to its event loop; what
/// comes back from elsewhere comes through `reply`.
package final class AMQPPeer {
  let shared: AMQPService
  let eventLoop: any EventLoop
  package let logger: Logger
  /// The machine; its links call it directly and end with `flush`.
  package var connection: AMQPConnection

  package let certificates: PeerCertificates
  /// Judges what this client shows.
  package let authenticator: AMQPAuthenticator
  private weak var handler: AMQPHandler?
  var tokens = RequestNode()
  package var links: [LinkID: any AMQPLink] = [:]
  package var grants: [AMQPGrant] = []
  var devices: [IdentityKey: AMQPDevice] = [:]
  /// Links of identities that are being judged.
  var awaiting: [IdentityKey: [(id: LinkID, attach: AMQPAttach, address: LinkAddress)]] =
    [:]
  /// What the service gives its client besides.
  package private(set) var services: (any AMQPServiceLinks)?
  var policyEpoch: UInt64 = 0
  private let born: Instant
  private var isOpen = false
  package private(set) var isEnded = false
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
    self.certificates = certificates
    let trackingID = AMQPValue.uuidText(Entropy.bytes(16))
    authenticator = shared.authenticator.judging(peerAt: address, trackingID: trackingID)
    self.eventLoop = eventLoop
    logger = shared.logger
    var limits = AMQPConnectionLimits()
    limits.messageBytes = 1 << 20
    connection = AMQPConnection(
      containerID: shared.backend.hostName,
      trackingID: trackingID,
      limits: limits
    )
    born = SystemClock.now()
    bound = NIOLoopBound(self, eventLoop: eventLoop)
    services = shared.backend.links(of: self)
  }

  /// Whether the socket takes more.
  package var isWritable: Bool { handler?.isWritable ?? false }

  /// The link called `id`, if it lives and is of this kind.
  package func link<Link: AMQPLink>(_ id: LinkID, as: Link.Type) -> Link? { links[id] as? Link }

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
  package var reply: AMQPReply? { bound.map { AMQPReply(peer: $0) } }

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
  package func flush() {
    work()
    handler?.flush()
    if connection.isOver { handler?.close() }
  }

  func tick() {
    let now = SystemClock.now()
    _ = connection.tick(now: now.nanoseconds / 1_000_000)
    let age = now.milliseconds(since: born)
    let connectMilliseconds = UInt64(shared.limits.connectMilliseconds)
    if !isOpen, age > connectMilliseconds {
      shared.counters.connectTimeouts.add(1, ordering: .relaxed)
      handler?.close()
      return
    }
    expireGrants()
    if isAnonymous, !connection.isOver, age > connectMilliseconds * 2 {
      shared.counters.connectTimeouts.add(1, ordering: .relaxed)
      connection.close(AMQPError(AMQPError.unauthorizedAccess, "no token came in time"))
    }
    for link in links.values { link.tick() }
    flush()
  }

  /// Notes that the client is no stranger any more.
  package func hasShownCredential() {
    if let handler { shared.authenticated(ObjectIdentifier(handler)) }
  }

  /// Whether the client has shown nothing that is good for anything.
  private var isAnonymous: Bool {
    grants.isEmpty && devices.isEmpty && awaiting.isEmpty
      && !(services?.hasShownCredential ?? false) && certificates.chain.certificates.isEmpty
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
    case .delivered(let id, let delivery): links[id]?.delivered(delivery)
    case .credited(let id): links[id]?.credited()
    case .settled(let id, let delivery, let outcome): links[id]?.settled(delivery, outcome)
    case .detached(let id, _):
      links.removeValue(forKey: id)?.ended()
      for key in awaiting.keys { awaiting[key]?.removeAll { $0.id == id } }
      services?.detached(id)
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
    services?.ended()
    services = nil
    bound = nil
  }
}

/// The way back to a peer's event loop.
package struct AMQPReply: Sendable {
  fileprivate let peer: NIOLoopBound<AMQPPeer>

  /// Runs `work` on the loop and sends what it made, unless the connection has ended by then.
  package func callAsFunction(_ work: @escaping @Sendable (AMQPPeer) -> Void) {
    let bound = peer
    bound.eventLoop.execute {
      let peer = bound.value
      guard !peer.isEnded else { return }
      work(peer)
      peer.flush()
    }
  }
}
