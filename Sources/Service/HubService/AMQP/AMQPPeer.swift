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

  private let certificates: PeerCertificates
  private weak var handler: AMQPHandler?
  private var management = RequestNode()
  private var tokens = RequestNode()
  private var nodeLinks: [LinkID: Bool] = [:]
  private var links: [LinkID: any AMQPLink] = [:]
  private var grants: [AMQPGrant] = []
  private var devices: [IdentityKey: AMQPDevice] = [:]
  /// Links of identities that are being judged.
  private var awaiting: [IdentityKey: [(id: LinkID, attach: AMQPAttach, address: LinkAddress)]] =
    [:]
  private var policyEpoch: UInt64 = 0
  private let born: Instant
  private var isOpen = false
  private(set) var isEnded = false
  private var bound: NIOLoopBound<AMQPPeer>?

  /// Grants at most of one connection: a client with more devices than that needs another one.
  private static let grantLimit = 4_096

  init(shared: AMQPService, certificates: PeerCertificates, eventLoop: any EventLoop) {
    self.shared = shared
    hub = shared.hub
    self.certificates = certificates
    self.eventLoop = eventLoop
    logger = shared.hub.logger
    var limits = AMQPConnectionLimits()
    limits.messageBytes = 1 << 20
    connection = AMQPConnection(
      containerID: shared.hub.settings.names.first ?? "hub",
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
      handler?.close()
      return
    }
    expireGrants()
    if isAnonymous, age > UInt64(hub.settings.connectSeconds) * 2_000 {
      connection.close(AMQPError(AMQPError.unauthorizedAccess, "no token came in time"))
    }
    for link in links.values { link.tick() }
    flush()
  }

  /// Whether the client has shown nothing that is good for anything.
  private var isAnonymous: Bool {
    grants.isEmpty && devices.isEmpty && awaiting.isEmpty
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
    bound = nil
  }

  // MARK: Credentials

  private func authenticate(_ begin: SASLInit) {
    guard begin.mechanism == "PLAIN" else { return connection.judged(isAccepted: true) }
    guard let plain = begin.plain else { return connection.judged(isAccepted: false) }
    let authenticator = shared.authenticator
    guard let reply else { return }
    // Answers the connection, which has a deadline of its own.
    Task {
      let grant = try? await authenticator.judge(
        userName: plain.userName,
        password: plain.password
      )
      reply { peer in
        if let grant { peer.keep(grant) }
        peer.connection.judged(isAccepted: grant != nil)
      }
    }
  }

  private func keep(_ grant: AMQPGrant) {
    grants.removeAll { $0.resource == grant.resource && $0.isSameHolder(as: grant) }
    if grants.count >= Self.grantLimit { grants.removeFirst() }
    grants.append(grant)
  }

  /// Whether a grant of the connection allows what a link needs.
  func allows(_ requirement: AMQPRequirement) -> Bool {
    grants.contains { $0.allows(requirement.address, needing: requirement.rights) }
  }

  private func expireGrants() {
    let now = hub.now
    let skew = Int64(hub.settings.skewSeconds)
    let count = grants.count
    grants.removeAll { grant in grant.expiry.map { now > $0.adding(seconds: skew) } ?? false }
    if grants.count < count {
      detachUnauthorized()
      for device in Array(devices.values) where device.admitted.expiry != nil {
        let isCovered = grants.contains { $0.admits(device.identity) }
        if !isCovered { device.drop(.tokenExpired) }
      }
    }
    let epoch = hub.policyChanges.load(ordering: .acquiring)
    guard epoch != policyEpoch else { return }
    policyEpoch = epoch
    let (judged, authenticator) = (grants, shared.authenticator)
    guard !judged.isEmpty, let reply else { return }
    Task {
      let holds = await authenticator.stillHold(judged)
      reply { peer in
        let lost = zip(judged, holds).filter { !$0.1 }.map(\.0)
        guard !lost.isEmpty else { return }
        peer.grants.removeAll { grant in lost.contains { $0.isSameHolder(as: grant) } }
        peer.detachUnauthorized()
      }
    }
  }

  private func detachUnauthorized() {
    for (id, link) in links {
      guard let requirement = link.requirement, !allows(requirement) else { continue }
      connection.detach(id, Self.unauthorized)
    }
  }

  static let unauthorized = AMQPError(
    AMQPError.unauthorizedAccess,
    "no valid token for this address; put one to $cbs first"
  )

  // MARK: Nodes

  private func asked(_ delivery: AMQPDelivery, isManagement: Bool) {
    if isManagement {
      guard let request = management.delivered(delivery, on: &connection) else { return }
      answerManagement(request)
    } else {
      guard let request = tokens.delivered(delivery, on: &connection) else { return }
      answerToken(request)
    }
  }

  private func answerToken(_ request: NodeRequest) {
    let put: ClaimsBasedSecurity.PutToken
    do throws(RequestRefusal) {
      put = try ClaimsBasedSecurity.PutToken(request)
    } catch {
      return tokens.answer(request, with: error.answer, on: &connection)
    }
    let authenticator = shared.authenticator
    guard let reply else { return }
    Task {
      let result: Result<AMQPGrant, RequestRefusal>
      do throws(RequestRefusal) {
        result = .success(try await authenticator.judge(put.token, audience: put.audience))
      } catch {
        result = .failure(error)
      }
      reply { peer in
        switch result {
        case .success(let grant):
          peer.keep(grant)
          let answer = NodeAnswer.make(202, "Accepted")
          peer.tokens.answer(request, with: answer, on: &peer.connection)
        case .failure(let refusal):
          peer.tokens.answer(request, with: refusal.answer, on: &peer.connection)
        }
      }
    }
  }

  private func answerManagement(_ request: NodeRequest) {
    let asked: EventManagement.Request
    do throws(RequestRefusal) {
      asked = try EventManagement.Request(request)
    } catch {
      return management.answer(request, with: error.answer, on: &connection)
    }
    let requirement = AMQPRequirement(
      address: .stream(entity: asked.entity, partition: nil),
      rights: .serviceConnect
    )
    if allows(requirement) {
      return management.answer(request, with: shared.events.answer(asked), on: &connection)
    }
    guard let token = asked.token else {
      let refusal = RequestRefusal(401, "no valid token for this event stream")
      return management.answer(request, with: refusal.answer, on: &connection)
    }
    let (authenticator, events) = (shared.authenticator, shared.events)
    guard let reply else { return }
    Task {
      var answer = RequestRefusal(401, "no valid token for this event stream").answer
      if let grant = try? await authenticator.judge(token, audience: nil),
        grant.allows(requirement.address, needing: requirement.rights)
      {
        answer = events.answer(asked)
      }
      let made = answer
      reply { peer in
        peer.management.answer(request, with: made, on: &peer.connection)
      }
    }
  }

  // MARK: Links

  private func attached(_ id: LinkID, _ attach: AMQPAttach) {
    guard let address = attach.address.flatMap({ LinkAddress($0) }) else {
      return connection.refuse(id, AMQPError(AMQPError.notFound, "no such address here"))
    }
    switch address {
    case .claimsBasedSecurity:
      nodeLinks[id] = false
      tokens.attached(id, attach, on: &connection)
    case .management:
      nodeLinks[id] = true
      management.attached(id, attach, on: &connection)
    case .cloudToDevice, .feedback, .events:
      let requirement = AMQPRequirement(address: address, rights: .serviceConnect)
      guard allows(requirement) else { return connection.refuse(id, Self.unauthorized) }
      serve(id, attach, requirement)
    case .telemetry(let key), .deviceBound(let key), .methods(let key), .twin(let key):
      attachDevice(key, id, attach, address)
    case .fileNotifications, .stream:
      connection.refuse(id, AMQPError("amqp:not-implemented", "not served by this hub"))
    }
  }

  /// Serves a link of a device or module, which with its first link becomes connected.
  private func attachDevice(
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
    awaiting[key] = [(id, attach, address)]
    admit(key, model: attach.properties["com.microsoft:model-id"]?.text, isSecondTry: false)
  }

  private func admit(_ key: IdentityKey, model: String?, isSecondTry: Bool) {
    guard let reply else { return }
    let (authenticator, grants, chain) = (shared.authenticator, grants, certificates.chain)
    // Answers the links that wait; they end with the connection.
    Task {
      let admitted = await authenticator.admit(key, grants, chain, model: model)
      reply { peer in
        guard let admitted else { return peer.admitted(key, nil) }
        let device = AMQPDevice(admitted, peer)
        if device.establish() { return peer.admitted(key, device) }
        // The registry has changed meanwhile.
        guard !isSecondTry else { return peer.admitted(key, nil) }
        peer.admit(key, model: model, isSecondTry: true)
      }
    }
  }

  private func admitted(_ key: IdentityKey, _ device: AMQPDevice?) {
    let waiting = awaiting.removeValue(forKey: key) ?? []
    guard let device else {
      for link in waiting { connection.refuse(link.id, Self.unauthorized) }
      return
    }
    devices[key] = device
    for link in waiting { open(link.id, link.attach, link.address, of: device) }
    device.endIfUnused()
  }

  private func open(
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

  private func serve(_ id: LinkID, _ attach: AMQPAttach, _ requirement: AMQPRequirement) {
    switch (requirement.address, attach.isPeerSender) {
    case (.cloudToDevice, true):
      links[id] = CloudToDeviceLink(id, self, requirement)
      connection.accept(id, credit: CloudToDeviceLink.window)
    case (.feedback, false):
      connection.accept(id)
      links[id] = FeedbackLink(id, self, requirement)
    case (.events(let entity, let group, let partition), false):
      do throws(AMQPError) {
        let link = try shared.events.open(
          id,
          attach,
          entity: entity,
          group: group,
          partition: partition,
          self,
          requirement
        )
        connection.accept(id, isPresettled: true)
        links[id] = link
      } catch {
        connection.refuse(id, error)
      }
    default:
      connection.refuse(
        id,
        AMQPError(AMQPError.notAllowed, "this address is served in the other direction only")
      )
    }
  }
}

extension AMQPGrant {
  /// Whether both were shown by the same policy's or identity's holder.
  func isSameHolder(as other: AMQPGrant) -> Bool {
    switch (holder, other.holder) {
    case (.policy(let mine, _), .policy(let theirs, _)): mine.name == theirs.name
    case (.identity(let mine, _, _), .identity(let theirs, _, _)): mine == theirs
    default: false
    }
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
