import HubContract
import Logging
import MQTT

/// Someone below an edge hub as present on the edge hub's connection.
///
/// What it gets goes at QoS 0: the connection as a whole tells whether the edge hub is there, twins
/// have versions, methods are answered, and cloud-to-device messages are settled by their locks.
/// Confined to the connection's event loop.
final class ChildPresence: DevicePresence {
  let identity: IdentityKey
  private let children: EdgeHubChildren
  private let prefix: [UInt8]
  private let topics: DeviceTopics
  private var device: AdmittedDevice?
  private var handle: DeviceHandle?
  /// Who waits for the backend's decision.
  private var waiting: [(ChildPresence?) -> Void] = []
  private var filters: [(filter: String, quality: UInt8)] = []
  private var granted = GrantedTopics()
  /// Locks of the cloud-to-device messages that the edge hub has and has not settled.
  private var unsettled: Set<[UInt8]> = []
  private var isPulling = false
  private var mustPullAgain = false
  /// Whether it waits until others have read their messages.
  var isInLine = false

  private var loop: DeviceLoop { children.connection.loop }
  var isEstablished: Bool { handle != nil }

  init(_ identity: IdentityKey, _ children: EdgeHubChildren) {
    self.identity = identity
    self.children = children
    prefix = ChildTopics.prefix(of: identity)
    topics = DeviceTopics(identity)
  }

  // MARK: Coming and going

  /// Runs `body` at once if the child is present, else when that is decided.
  func whenDecided(_ body: @escaping (ChildPresence?) -> Void) {
    if isEstablished { body(self) } else { waiting.append(body) }
  }

  func established(_ handle: DeviceHandle, _ device: AdmittedDevice) {
    self.handle = handle
    self.device = device
    decided(self)
    // All that it was made for may have been refused or withdrawn.
    if filters.isEmpty { end() }
  }

  func refused() { decided(nil) }

  private func decided(_ presence: ChildPresence?) {
    let bodies = waiting
    waiting = []
    for body in bodies { body(presence) }
  }

  /// The child is no longer present; says so once to the backend.
  func end() {
    waiting = []
    guard let handle, let device else { return }
    self.handle = nil
    granted = GrantedTopics()
    children.forget(self)
    handle.clear()
    loop.backend.ended(handle, device)
  }

  func drop(_ reason: DropReason) {
    guard isEstablished else { return }
    end()
    loop.logger.info(
      "child dropped from its edge hub's connection",
      metadata: ["identity": "\(identity)", "reason": "\(reason.rawValue)"]
    )
    children.connection.tell(.ended(reason: reason.rawValue), of: identity)
  }

  // MARK: Subscriptions

  /// Adds a filter of the child's own; false if there are too many.
  func add(_ filter: String) -> Bool {
    filters.removeAll { $0.filter == filter }
    guard filters.count < loop.limits.subscriptions else { return false }
    filters.append((filter, 0))
    grant()
    return true
  }

  /// Takes a filter away; with the last one the child is no longer present.
  func remove(_ filter: String) {
    filters.removeAll { $0.filter == filter }
    if filters.isEmpty { end() } else { grant() }
  }

  private func grant() {
    guard let handle else { return }
    let before = granted
    granted = GrantedTopics(filters, of: topics)
    loop.backend.methodsChanged(from: before, to: granted, handle, identity)
    if granted.devicebound != nil {
      if before.devicebound == nil { pullCloudToDevice() }
    } else {
      for lock in unsettled { loop.backend.returnCloudToDevice(token: lock, of: identity) }
      unsettled = []
    }
  }

  // MARK: To the edge hub

  private func send(_ topic: [UInt8], _ payload: [UInt8]) {
    let connection = children.connection
    connection.send(OutboundPublish(topic: prefix + topic, payload: payload), .atMostOnce)
    connection.flushUnlessProcessing()
  }

  func deliverDesired(version: Int64, body: [UInt8]) {
    guard granted.desired != nil else { return }
    send(DeviceTopics.desiredPatch(version: version), body)
  }

  func deliverMethod(name: String, requestID: String, payload: [UInt8]) -> Bool {
    guard granted.takesMethod(name) else { return false }
    send(DeviceTopics.methodRequest(name: name, requestID: requestID), payload)
    return true
  }

  func pullCloudToDevice() {
    guard granted.devicebound != nil, let handle else { return }
    guard !isPulling else {
      mustPullAgain = true
      return
    }
    let room = loop.limits.cloudToDeviceWindow - unsettled.count
    guard room > 0, children.mayPull(self) else { return }
    isPulling = true
    mustPullAgain = false
    let (childHandle, connectionHandle) = (handle, children.connection.handle)
    loop.backend.takeCloudToDevice(handle, of: identity, limit: room, isTimed: false) { messages in
      childHandle.tell { ($0 as? ChildPresence)?.deliver(messages) }
      connectionHandle?.execute { $0.children?.pulled() }
    }
  }

  private func deliver(_ messages: [CloudToDeviceDelivery]) {
    isPulling = false
    for message in messages {
      guard granted.devicebound != nil else {
        loop.backend.returnCloudToDevice(token: message.token, of: identity)
        continue
      }
      unsettled.insert(message.token)
      send(ChildDeliveryTopic.make(lock: message.token, bag: message.bag), message.body)
    }
    if mustPullAgain { pullCloudToDevice() }
  }

  /// The edge hub says what became of a message; one that it does not hold is not its to settle.
  func settle(_ settlement: ChildSettlement) {
    guard unsettled.remove(settlement.lock) != nil else { return }
    switch settlement.outcome {
    case .complete: loop.backend.completeCloudToDevice(token: settlement.lock, of: identity)
    case .abandon: loop.backend.returnCloudToDevice(token: settlement.lock, of: identity)
    case .reject: loop.backend.rejectCloudToDevice(token: settlement.lock, of: identity)
    }
    pullCloudToDevice()
  }
}
