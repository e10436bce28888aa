import ByteIO
import HubContract
import JSONTree
import MQTT
import Platform

/// What an edge hub sends and asks on its own connection for those below it (contract §3.4; docs
/// "Uplink").
extension DeviceConnection {
  // MARK: Telemetry

  /// Takes a message of an edge hub in, for the child that it names or else for itself; false if the
  /// connection is being closed.
  ///
  /// `prefixed` is the child whose topic it came on.
  func deliver(
    _ publish: PublishLayout,
    _ bag: Span<UInt8>,
    _ body: Span<UInt8>,
    for prefixed: IdentityKey? = nil,
    of children: EdgeHubChildren
  ) -> Bool {
    let facts = PropertyBag(bag).edgeFacts
    if let id = facts.id, children.messages.contains(id) {
      loop.counters.repeated.count()
      acknowledge(publish)
      return slot >= 0
    }
    let message = EdgePublish(publish, facts.id)
    guard let child = prefixed ?? facts.child else {
      return append(message, children.device.stamp, children.device.partition, bag, body)
    }
    switch children.known(child) {
    case .accepted(let sender): return append(message, sender.stamp, sender.partition, bag, body)
    case .refused: return refuse(child, message.packetIdentifier)
    case .unavailable, nil: break
    }
    held = HeldPublish(child: child, message: message, bag: bag.array(), body: body.array())
    beginRequest()
    children.judge(child) { [self] in judged($0) }
    return true
  }

  private func judged(_ answer: ChildAnswer<ChildSender>) {
    guard let publish = held else { return }
    held = nil
    switch answer {
    case .accepted(let sender):
      guard
        append(
          publish.message,
          sender.stamp,
          sender.partition,
          publish.bag.span,
          publish.body.span
        )
      else { return }
    case .refused:
      guard refuse(publish.child, publish.message.packetIdentifier) else { return }
      flushUnlessProcessing()
    // It sends the message again on its next connection.
    case .unavailable: return drop(.overloaded)
    }
    endRequest()
  }

  private func append(
    _ message: EdgePublish,
    _ stamp: EventStamp,
    _ partition: UInt16,
    _ bag: Span<UInt8>,
    _ body: Span<UInt8>
  ) -> Bool {
    let isKept = loop.append(
      self,
      stamp: stamp,
      partition: partition,
      flags: message.flags,
      bag: bag,
      body: body,
      identifier: message.packetIdentifier
    )
    guard isKept, let children else {
      close()
      return false
    }
    if let id = message.id { loop.identify(id, in: children.messages) }
    return true
  }

  /// Acknowledges and drops a message for `child`, whom the edge hub may not send for; false if the
  /// connection is being closed instead.
  private func refuse(_ child: IdentityKey, _ packetIdentifier: UInt16) -> Bool {
    guard children?.takesAnswers == true else {
      faulted("$.cdid names nobody below this edge hub")
      close()
      return false
    }
    write { Self.encode(.refused, of: child, to: &$0) }
    if packetIdentifier != 0 { acknowledge(packetIdentifier) }
    return slot >= 0
  }

  // MARK: Requests

  /// Handles a PUBLISH to a topic of a child; false if the connection is being closed.
  func deliverForChild(
    _ publish: PublishLayout,
    _ topic: Span<UInt8>,
    _ body: Span<UInt8>
  ) -> Bool {
    guard let children, let (child, start) = ChildTopics.split(topic) else {
      faulted("a topic that is neither this identity's nor a child's")
      close()
      return false
    }
    let topic = topic.extracting(start...)
    switch DeviceTopics(child).classify(topic) {
    case .telemetry(let range):
      let bag = topic.extracting(range)
      return isTaken(bag, body) && deliver(publish, bag, body, for: child, of: children)
    case .twinGet(let range):
      acknowledge(publish)
      ask(topic.extracting(range).array(), of: child, children) { backend, reply in
        backend.twin(of: child, reply: reply)
      }
    case .twinPatch(let range, let version):
      let patch = body.array()
      // Requests of a child are judged, and carried out, in the order in which they came.
      ask(topic.extracting(range).array(), of: child, children, acknowledging: publish) {
        $0.patchReported(patch, of: child, onVersion: version, reply: $1)
      }
    case .methodResponse(let status, let range):
      if children.presence(of: child) != nil {
        loop.backend.methodAnswered(
          requestID: topic.extracting(range).array(),
          status: status,
          body: body.array(),
          by: child
        )
      }
      acknowledge(publish)
    case .foreign, .unknown, .malformed:
      guard let settlement = ChildSettlement(topic) else {
        faulted("a topic that children do not have")
        close()
        return false
      }
      children.presence(of: child)?.settle(settlement)
      acknowledge(publish)
    }
    return true
  }

  /// Asks the backend about the twin of `child`, if the edge hub may, and sends the answer.
  private func ask(
    _ requestID: [UInt8],
    of child: IdentityKey,
    _ children: EdgeHubChildren,
    acknowledging publish: PublishLayout? = nil,
    _ perform: @escaping (any DeviceBackend, @escaping @Sendable (TwinReply) -> Void) -> Void
  ) {
    guard let handle else { return }
    beginRequest()
    children.judge(child) { [self] judgement in
      let finish: @Sendable (TwinReply) -> Void = { reply in
        handle.execute { connection in
          if let publish { connection.acknowledge(publish) }
          connection.answer(requestID, reply, of: child)
          connection.endRequest()
        }
      }
      switch judgement {
      case .accepted: perform(loop.backend, finish)
      case .refused:
        finish(Self.refusal(.invalidDeviceScope, "\(child) is not below this edge hub."))
      case .unavailable:
        finish(Self.refusal(.serviceUnavailable, "The registry cannot be read; ask again later."))
      }
    }
  }

  private static func refusal(_ code: HubErrorCode, _ message: String) -> TwinReply {
    let body = HubError(code, message).body(
      .module,
      trackingID: Hex.encode(Entropy.bytes(16)),
      time: Timestamp(ticks: SystemClock.wallTicks())
    )
    return TwinReply(status: code.httpStatus, body: JSON.bytes(body))
  }

  private func answer(_ requestID: [UInt8], _ reply: TwinReply, of child: IdentityKey) {
    if children?.takesAnswers == true {
      let topic = DeviceTopics.twinResponse(
        status: reply.status,
        requestID: requestID.span,
        version: reply.version
      )
      send(
        OutboundPublish(topic: ChildTopics.prefix(of: child) + topic, payload: reply.body),
        .atMostOnce
      )
    }
    flushUnlessProcessing()
  }

  // MARK: Notices

  /// Tells the edge hub something of `child`, if it wants to know.
  func tell(_ notice: ChildNotice, of child: IdentityKey) {
    guard slot >= 0, children?.takesAnswers == true else { return }
    write { Self.encode(notice, of: child, to: &$0) }
    flushUnlessProcessing()
  }

  private static func encode(
    _ notice: ChildNotice,
    of child: IdentityKey,
    to sink: inout some ByteSink
  ) {
    let topic = ChildTopics.prefix(of: child) + notice.topic
    try? PacketEncoder.publish(topic: topic.span, payload: Span(), qos: .atMostOnce, to: &sink)
  }

  // MARK: Subscriptions

  /// Grants or refuses what a SUBSCRIBE wants for children; `finish` gets the codes of all its
  /// filters, those of children filled in.
  func fulfil(
    _ wishes: [ChildWish],
    _ codes: [SubscribeReturnCode],
    then finish: @escaping (DeviceConnection, [SubscribeReturnCode]) -> Void
  ) {
    guard let children, !wishes.isEmpty else { return finish(self, codes) }
    var codes = codes
    var open = wishes.count
    for wish in wishes {
      beginRequest()
      let decided: (Bool) -> Void = { [self] isGranted in
        if isGranted { codes[wish.place] = .grantedAtMostOnce }
        open -= 1
        if open == 0 { finish(self, codes) }
        endRequest()
      }
      if let child = wish.child {
        children.enter(child) { decided($0?.add(wish.filter) ?? false) }
      } else {
        children.takesAnswers = true
        decided(true)
      }
    }
  }
}

/// A filter of a SUBSCRIBE or UNSUBSCRIBE that is about a child.
struct ChildWish: Sendable {
  /// Which of the packet's filters it is.
  let place: Int
  /// Whom it is about; nil for answers and notices about all.
  let child: IdentityKey?
  /// The filter as the child itself would send it.
  let filter: String

  /// Reads a filter; nil if it is none that an edge hub may have for a child.
  init?(_ filter: Span<UInt8>, place: Int) {
    self.place = place
    if filter.array().elementsEqual(ChildTopics.answers.utf8) {
      child = nil
      self.filter = ""
      return
    }
    guard let (child, start) = ChildTopics.split(filter) else { return nil }
    let rest = filter.extracting(start...)
    self.child = child
    switch ChildFilter(rest, of: DeviceTopics(child)) {
    case .own: self.filter = String(decoding: rest.array(), as: UTF8.self)
    case .devicebound: self.filter = "devices/\(child.deviceID)/messages/devicebound/#"
    case .refused: return nil
    }
  }
}

/// What is to be known of a message of an edge hub besides its contents.
struct EdgePublish {
  let packetIdentifier: UInt16
  let flags: EventFlags
  let id: EdgeMessageID?

  init(_ publish: PublishLayout, _ id: EdgeMessageID?) {
    packetIdentifier = publish.packetIdentifier
    flags = publish.retain ? .retain : []
    self.id = id
  }
}

/// A message that an edge hub sent for a child, out of its packet.
struct HeldPublish {
  let child: IdentityKey
  let message: EdgePublish
  let bag: [UInt8]
  let body: [UInt8]
}

extension PropertyBag {
  /// Whom `$.cdid` and `$.cmid` name, nil without them; and what `$.emid` calls the message.
  var edgeFacts: (child: IdentityKey?, id: EdgeMessageID?) {
    var (device, module, id): (Range<Int>?, Range<Int>?, Range<Int>?)
    var iterator = makeIterator()
    while let entry = iterator.next() {
      switch systemProperty(of: entry) {
      case .connectionDeviceID: device = entry.value
      case .connectionModuleID: module = entry.value
      case .edgeMessageID: id = entry.value
      default: break
      }
    }
    return (
      device.map { IdentityKey(deviceID: text($0), moduleID: module.map { text($0) }) },
      id.flatMap { EdgeMessageID(bytes.extracting($0)) }
    )
  }
}
