import AMQP
import AMQPCodec
import ByteIO
import Endpoints
import HubContract
import Platform

/// A device or module on an AMQP connection, which may carry many (contract §4).
///
/// It is its identity's only connection while one of its links is attached. Confined to the
/// connection's event loop; the hub reaches it through its `DeviceHandle`.
final class AMQPDevice: DevicePresence {
  let admitted: AdmittedDevice
  unowned let peer: AMQPPeer
  private(set) var handle: DeviceHandle?
  private var links: Set<LinkID> = []
  private var telemetry: LinkID?
  private(set) var deviceBound: LinkID?
  private var inputs: LinkID?
  /// Links of direct methods, by direction.
  private var methodRequests: LinkID?
  private var methodAnswers: LinkID?
  /// Links of the twin, by direction.
  private(set) var twinAnswers: LinkID?
  /// Whether changes of desired properties are wanted.
  var wantsDesired = false
  /// Methods under way, by the correlation ID that they were sent with.
  private var methods: [[UInt8]: String] = [:]
  private var tag: UInt32 = 0
  /// Answers and requests that wait for credit.
  private var waiting: [(id: LinkID, message: [UInt8])] = []
  private var isEnded = false

  /// Messages at most that wait for credit; beyond it the oldest is given up, as for a client that
  /// does not read.
  private static let waitingLimit = 64

  var identity: IdentityKey { admitted.identity }
  /// Whether its messages say by an application property which output they come from.
  var takesOutputs: Bool { identity.moduleID != nil && peer.shared.backend.hasOutputs }

  init(_ admitted: AdmittedDevice, _ peer: AMQPPeer) {
    self.admitted = admitted
    self.peer = peer
  }

  /// Makes it the identity's connection; false if the registry has changed since the admission.
  func establish() -> Bool {
    let handle = DeviceHandle(presence: self, eventLoop: peer.eventLoop)
    guard peer.shared.devices.established(handle, admitted) else {
      handle.clear()
      return false
    }
    self.handle = handle
    return true
  }

  // MARK: Links

  /// Accepts a link of the identity.
  ///
  /// - Throws: Why it is refused.
  func open(
    _ id: LinkID,
    _ attach: AMQPAttach,
    _ address: LinkAddress
  ) throws(AMQPError) -> any AMQPLink {
    let link: any AMQPLink
    switch (address, attach.isPeerSender) {
    case (.telemetry, true):
      if let telemetry {
        let error = AMQPError(AMQPError.linkStolen, "LinkCreationConflict: another link has come")
        peer.connection.detach(telemetry, error)
      }
      telemetry = id
      link = TelemetryLink(self)
      peer.connection.accept(id, credit: TelemetryLink.window)
    case (.telemetry, false) where identity.moduleID != nil: link = openInputs(id, attach)
    case (.deviceBound, false):
      guard identity.moduleID == nil else {
        throw AMQPError(AMQPError.notAllowed, "modules get no cloud-to-device messages")
      }
      deviceBound = id
      link = DeviceBoundLink(id, self, isPresettled: attach.isPresettled)
      peer.connection.accept(id)
    case (.methods, false):
      methodRequests = id
      link = DeviceAnswerLink(self)
      peer.connection.accept(id, isPresettled: true)
      readyForMethods()
    case (.methods, true):
      methodAnswers = id
      link = MethodAnswerLink(self)
      peer.connection.accept(id, credit: MethodAnswerLink.window)
      readyForMethods()
    case (.twin, false):
      twinAnswers = id
      link = DeviceAnswerLink(self)
      peer.connection.accept(id, isPresettled: true)
    case (.twin, true):
      link = TwinRequestLink(self)
      peer.connection.accept(id, credit: TwinRequestLink.window)
    default:
      throw AMQPError(
        AMQPError.notAllowed,
        "this address is served in the other direction only"
      )
    }
    links.insert(id)
    return DeviceLink(id, self, link)
  }

  /// Accepts a link from the module's inputs, which an edge's routes fill; at a hub nothing comes.
  private func openInputs(_ id: LinkID, _ attach: AMQPAttach) -> any AMQPLink {
    guard let handle, let feed = peer.shared.devices.openInputs(handle, of: identity) else {
      peer.connection.accept(id, isPresettled: true)
      return DeviceAnswerLink(self)
    }
    if let inputs {
      let error = AMQPError(AMQPError.linkStolen, "LinkCreationConflict: another link has come")
      peer.connection.detach(inputs, error)
      peer.deviceLink(inputs, as: InputLink.self)?.ended()
    }
    inputs = id
    peer.connection.accept(id)
    return InputLink(id, self, feed, isPresettled: attach.isPresettled)
  }

  /// A link is gone; with the last one the identity is no longer connected here.
  func closed(_ id: LinkID) {
    links.remove(id)
    waiting.removeAll { $0.id == id }
    if telemetry == id { telemetry = nil }
    if deviceBound == id { deviceBound = nil }
    if inputs == id { inputs = nil }
    if methodRequests == id || methodAnswers == id {
      let tookMethods = methodRequests != nil && methodAnswers != nil
      if methodRequests == id { methodRequests = nil } else { methodAnswers = nil }
      methods = [:]
      if let handle, tookMethods {
        handle.takesMethods = false
        peer.shared.devices.methodsUnsubscribed(handle, identity)
      }
    }
    if twinAnswers == id {
      twinAnswers = nil
      wantsDesired = false
    }
    if links.isEmpty { end() }
  }

  /// Ends a device that got no link in the end.
  func endIfUnused() {
    if links.isEmpty { end() }
  }

  private func end() {
    guard !isEnded else { return }
    isEnded = true
    if let inputs { peer.deviceLink(inputs, as: InputLink.self)?.ended() }
    peer.forget(self)
    guard let handle else { return }
    handle.clear()
    peer.shared.devices.ended(handle, admitted)
  }

  // MARK: From the hub

  func drop(_ reason: DropReason) {
    let error =
      switch reason {
      case .takenOver: AMQPError(AMQPError.linkStolen, "the identity has connected again")
      case .disabled, .deleted: AMQPError(AMQPError.notFound, "the identity is not known here")
      case .credentialChanged, .tokenExpired: AMQPPeer.unauthorized
      case .stopping: AMQPError(AMQPError.connectionForced, "the hub is stopping")
      case .notKept, .overloaded, .unacknowledged, .injectedFault:
        AMQPError(AMQPError.internalError, reason.rawValue)
      }
    for id in links { peer.connection.detach(id, error) }
    end()
    if !peer.isEnded { peer.flush() }
  }

  func deliverDesired(version: Int64, body: [UInt8]) {
    guard wantsDesired, let id = twinAnswers else { return }
    var message = AMQPMessage(body: .data([body]))
    message.messageAnnotations = [
      "resource": .string(TwinRequestLink.desired), "version": .long(version),
    ]
    send(message, on: id)
    peer.flush()
  }

  func deliverMethod(name: String, requestID: String, payload: [UInt8]) -> Bool {
    guard let id = methodRequests, methodAnswers != nil else { return false }
    let correlation = Entropy.bytes(16)
    methods[correlation] = requestID
    var message = AMQPMessage(body: .data([payload]))
    message.properties.correlationID = .uuid(correlation)
    message.applicationProperties = AMQPMap(strings: [("IoThub-methodname", .string(name))])
    send(message, on: id)
    peer.flush()
    return true
  }

  func pullCloudToDevice() {
    guard let id = deviceBound else { return }
    peer.deviceLink(id, as: DeviceBoundLink.self)?.pull()
    peer.flush()
  }

  func pullInputs() {
    guard let id = inputs else { return }
    peer.deviceLink(id, as: InputLink.self)?.pull()
    peer.flush()
  }

  // MARK: Methods

  private func readyForMethods() {
    guard methodRequests != nil, methodAnswers != nil, let handle else { return }
    handle.takesMethods = true
    peer.shared.devices.methodsSubscribed(handle, identity)
  }

  /// The request that an answer belongs to, once.
  func takeMethod(_ correlation: AMQPValue) -> String? {
    switch correlation {
    case .uuid(let bytes), .binary(let bytes): methods.removeValue(forKey: bytes)
    case .string(let text):
      Hex.decode(text.utf8.filter { $0 != UInt8(ascii: "-") })
        .flatMap { methods.removeValue(forKey: $0) }
    default: nil
    }
  }

  /// Sends a settled message, now or when the device gives credit.
  func send(_ message: AMQPMessage, on id: LinkID) {
    if waiting.count >= Self.waitingLimit { waiting.removeFirst() }
    waiting.append((id, message.encoded))
    sendWaiting()
  }

  /// Sends what waits, as far as there is credit.
  func sendWaiting() {
    var index = 0
    while index < waiting.count {
      let (id, message) = waiting[index]
      guard peer.connection.credit(of: id) > 0 else {
        index += 1
        continue
      }
      waiting.remove(at: index)
      tag &+= 1
      let number = tag
      peer.connection.send(
        message.span,
        on: id,
        tag: (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) },
        isSettled: true
      )
    }
  }
}

/// Tells its device when a link of it ends.
final class DeviceLink: AMQPLink {
  let inner: any AMQPLink
  private let id: LinkID
  private let device: AMQPDevice

  var requirement: AMQPRequirement? { nil }

  init(_ id: LinkID, _ device: AMQPDevice, _ inner: any AMQPLink) {
    self.id = id
    self.device = device
    self.inner = inner
  }

  func delivered(_ delivery: AMQPDelivery) { inner.delivered(delivery) }
  func credited() { inner.credited() }
  func settled(_ id: DeliveryID, _ outcome: AMQPOutcome) { inner.settled(id, outcome) }
  func tick() { inner.tick() }

  func ended() {
    inner.ended()
    device.closed(id)
  }
}

/// A link on which a device gets answers and requests, which its device object sends.
final class DeviceAnswerLink: AMQPLink {
  private unowned let device: AMQPDevice

  var requirement: AMQPRequirement? { nil }

  init(_ device: AMQPDevice) { self.device = device }

  func credited() { device.sendWaiting() }
}
