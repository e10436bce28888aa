import ByteIO
import HubContract
import MQTT
import NIOCore

/// Which of the hub's topics a session takes, with the granted quality of each.
struct GrantedTopics {
  var devicebound: QoS?
  var twinResponses: QoS?
  var desired: QoS?
  var inputs: QoS?
  /// All methods; `namedMethods` are those subscribed one by one.
  var methods: QoS?
  var namedMethods: Set<String> = []

  func takesMethod(_ name: String) -> Bool { methods != nil || namedMethods.contains(name) }
  /// Whether it takes methods that `other` does not.
  func takesMethods(beyond other: GrantedTopics) -> Bool {
    guard other.methods == nil else { return false }
    return methods != nil || !namedMethods.isSubset(of: other.namedMethods)
  }
  var takesMethods: Bool { methods != nil || !namedMethods.isEmpty }

  init() {}

  /// What the filters in `list`, which are of `topics`' identity, give.
  init(_ list: [(filter: String, quality: UInt8)], of topics: DeviceTopics) {
    for (filter, quality) in list {
      let qos: QoS = quality == 0 ? .atMostOnce : .atLeastOnce
      let bytes = [UInt8](filter.utf8)
      switch topics.classify(filter: bytes.span) {
      case .devicebound: devicebound = qos
      case .twinResponses: twinResponses = qos
      case .desiredPatches: desired = qos
      case .methods(name: nil): methods = qos
      case .methods(name: .some(let range)):
        let name = String(decoding: bytes[range], as: UTF8.self)
        if let decoded = PercentCoding.decode(name) { namedMethods.insert(decoded) }
      case .moduleAll, .moduleInputs: inputs = qos
      case .refused: break
      }
    }
  }
}

extension DeviceBackend {
  /// Tells of direct methods that an identity takes now, or no longer.
  func methodsChanged(
    from before: GrantedTopics,
    to granted: GrantedTopics,
    _ handle: DeviceHandle,
    _ identity: IdentityKey
  ) {
    if granted.desired != nil, before.desired == nil {
      desiredSubscribed(handle, identity)
    }
    handle.takesMethods = granted.takesMethods
    if granted.takesMethods(beyond: before) {
      methodsSubscribed(handle, identity)
    } else if before.takesMethods, !granted.takesMethods {
      methodsUnsubscribed(handle, identity)
    }
  }
}

/// A PUBLISH that waits for a place in the outbound window.
struct OutboundPublish {
  let topic: [UInt8]
  let payload: [UInt8]
  /// The sequence of a cloud-to-device message; 0 for what nobody completes.
  var delivery: UInt64 = 0
}

extension DeviceConnection {
  /// Publishes of QoS 1 that may wait for the client's acknowledgements; beyond, it is dropped.
  private static let waitingLimit = 256

  // MARK: Subscriptions

  func subscribe(_ layout: SubscribeLayout, _ span: Span<UInt8>) {
    if provisioning != nil { return subscribeToProvisioning(layout, span) }
    guard let device, let topics, let handle else { return }
    var codes: [SubscribeReturnCode] = []
    var kept = subscriptions
    var wishes: [ChildWish] = []
    layout.forEach(in: span) { entry in
      let filter = span.extracting(entry.filter)
      guard topics.classify(filter: filter) != .refused else {
        if children != nil, let wish = ChildWish(filter, place: codes.count) { wishes.append(wish) }
        return codes.append(.failure)
      }
      let text = String(decoding: filter.array(), as: UTF8.self)
      let quality = min(entry.requested, .atLeastOnce)
      kept.removeAll { $0.filter == text }
      guard kept.count < loop.limits.subscriptions else { return codes.append(.failure) }
      kept.append((text, quality.rawValue))
      codes.append(SubscribeReturnCode(granted: quality))
    }
    let identifier = layout.packetIdentifier
    let (own, forChildren) = (codes, wishes)
    let after = kept
    remember(after, device.identity, handle) { connection in
      connection.fulfil(forChildren, own) { connection, codes in
        connection.write {
          try? PacketEncoder.suback(packetIdentifier: identifier, codes, to: &$0)
        }
        connection.grant(after)
        connection.flushUnlessProcessing()
      }
    }
  }

  func unsubscribe(_ layout: UnsubscribeLayout, _ span: Span<UInt8>) {
    if provisioning != nil { return unsubscribeFromProvisioning(layout, span) }
    guard let device, let handle else { return }
    var kept = subscriptions
    layout.forEach(in: span) { range in
      let filter = span.extracting(range)
      let text = String(decoding: filter.array(), as: UTF8.self)
      kept.removeAll { $0.filter == text }
      if let children, let wish = ChildWish(filter, place: 0) { children.withdraw(wish) }
    }
    let identifier = layout.packetIdentifier
    let after = kept
    remember(after, device.identity, handle) { connection in
      connection.write { PacketEncoder.unsuback(identifier, to: &$0) }
      connection.grant(after)
      connection.flushUnlessProcessing()
    }
  }

  /// Makes the subscriptions of a lasting session durable, then goes on; a clean one's at once.
  private func remember(
    _ list: [(filter: String, quality: UInt8)],
    _ identity: IdentityKey,
    _ handle: DeviceHandle,
    then proceed: @escaping @Sendable (DeviceConnection) -> Void
  ) {
    // A second SUBSCRIBE may come before the first is durable: it builds on what the first asked, so
    // that the answer to the first must not set this back.
    subscriptions = list
    guard !isCleanSession else { return proceed(self) }
    beginRequest()
    loop.backend.remember(list, of: identity) { isDurable in
      handle.execute { connection in
        if isDurable { proceed(connection) } else { connection.drop(.overloaded) }
        connection.endRequest()
      }
    }
  }

  /// Takes over what the subscriptions in `list` allow, and sends what waited for them.
  func grant(_ list: [(filter: String, quality: UInt8)]) {
    guard let topics, let handle, let device else { return }
    let before = granted
    granted = GrantedTopics(list, of: topics)
    grantInputs(granted.inputs)
    loop.backend.methodsChanged(from: before, to: granted, handle, device.identity)
    if granted.devicebound == nil { returnUnsent(device) }
    if granted.devicebound != nil, before.devicebound == nil { pullCloudToDevice() }
  }

  // MARK: Twin

  func getTwin(_ requestID: [UInt8], acknowledging publish: PublishLayout) {
    guard let device, let handle else { return }
    acknowledge(publish)
    beginRequest()
    loop.backend.twin(of: device.identity) { reply in
      handle.execute { connection in
        connection.answer(requestID, reply)
        connection.endRequest()
      }
    }
  }

  func patchTwin(
    _ requestID: [UInt8],
    body: [UInt8],
    version: Int64?,
    acknowledging publish: PublishLayout
  ) {
    guard let device, let handle else { return }
    let identifier = publish
    beginRequest()
    loop.backend.patchReported(body, of: device.identity, onVersion: version) { reply in
      handle.execute { connection in
        connection.acknowledge(identifier)
        connection.answer(requestID, reply)
        connection.endRequest()
      }
    }
  }

  private func answer(_ requestID: [UInt8], _ reply: TwinReply) {
    if let qos = granted.twinResponses {
      let topic = DeviceTopics.twinResponse(
        status: reply.status,
        requestID: requestID.span,
        version: reply.version
      )
      send(OutboundPublish(topic: topic, payload: reply.body), qos)
    }
    flushUnlessProcessing()
  }

  package func deliverDesired(version: Int64, body: [UInt8]) {
    guard let qos = granted.desired, machine.isConnected else { return }
    let topic = DeviceTopics.desiredPatch(version: version)
    send(OutboundPublish(topic: topic, payload: body), qos)
    flushUnlessProcessing()
  }

  // MARK: Methods

  package func deliverMethod(name: String, requestID: String, payload: [UInt8]) -> Bool {
    guard granted.takesMethod(name), machine.isConnected else { return false }
    let topic = DeviceTopics.methodRequest(name: name, requestID: requestID)
    send(OutboundPublish(topic: topic, payload: payload), .atMostOnce)
    flushUnlessProcessing()
    return true
  }

  // MARK: Cloud-to-device messages

  /// Asks for as many messages as the window has room for.
  package func pullCloudToDevice() {
    guard granted.devicebound != nil, machine.isConnected, let device, let handle else { return }
    guard !isPulling else {
      mustPullAgain = true
      return
    }
    let room = loop.limits.cloudToDeviceWindow - deliveries.count
    guard room > 0 else { return }
    isPulling = true
    mustPullAgain = false
    loop.backend.takeCloudToDevice(
      handle,
      of: device.identity,
      limit: room,
      isTimed: false
    ) { messages in
      handle.execute { $0.deliver(messages) }
    }
  }

  private func deliver(_ messages: [CloudToDeviceDelivery]) {
    isPulling = false
    guard let device else { return }
    guard granted.devicebound != nil else {
      // The client has unsubscribed meanwhile [MQTT-3.10.4-2].
      for message in messages {
        loop.backend.returnCloudToDevice(token: message.token, of: device.identity)
      }
      return
    }
    for message in messages {
      let topic = DeviceTopics.devicebound(deviceID: device.identity.deviceID, bag: message.bag)
      if granted.devicebound == .atMostOnce {
        send(OutboundPublish(topic: topic, payload: message.body), .atMostOnce)
        loop.backend.completeCloudToDevice(token: message.token, of: device.identity)
      } else {
        deliveries[message.sequence] = message.token
        send(
          OutboundPublish(topic: topic, payload: message.body, delivery: message.sequence),
          .atLeastOnce
        )
      }
    }
    flushUnlessProcessing()
    if mustPullAgain || (!messages.isEmpty && granted.devicebound == .atMostOnce) {
      pullCloudToDevice()
    }
  }

  /// Gives back the messages that wait for a place of the window: the client wants none any more.
  private func returnUnsent(_ device: AdmittedDevice) {
    waiting.removeAll { message in
      guard let token = deliveries[message.delivery] else { return false }
      deliveries[message.delivery] = nil
      loop.backend.returnCloudToDevice(token: token, of: device.identity)
      return true
    }
  }

  /// The client has settled one of our publishes: a place of the window is free.
  func acknowledged(_ delivery: UInt64) {
    if let token = deliveries.removeValue(forKey: delivery), let device {
      loop.backend.completeCloudToDevice(token: token, of: device.identity)
      pullCloudToDevice()
    } else if delivery != 0, let inputs {
      inputAcknowledged(delivery, inputs)
    }
    while let next = waiting.first,
      let identifier = machine.reserve(delivery: next.delivery)
    {
      waiting.removeFirst()
      publish(next.topic.span, next.payload.span, identifier)
    }
  }

  // MARK: Sending

  func send(_ message: OutboundPublish, _ qos: QoS) {
    loop.counters.sent.count()
    let (topic, payload) = (message.topic.span, message.payload.span)
    guard qos == .atLeastOnce else { return publish(topic, payload, 0) }
    if waiting.isEmpty, let identifier = machine.reserve(delivery: message.delivery) {
      return publish(topic, payload, identifier)
    }
    guard waiting.count < Self.waitingLimit else { return drop(.overloaded) }
    waiting.append(message)
  }

  func publish(_ topic: Span<UInt8>, _ payload: Span<UInt8>, _ identifier: UInt16) {
    write {
      try? PacketEncoder.publish(
        topic: topic,
        payload: payload,
        qos: identifier == 0 ? .atMostOnce : .atLeastOnce,
        packetIdentifier: identifier,
        to: &$0
      )
    }
  }
}
