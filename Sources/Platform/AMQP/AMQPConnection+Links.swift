package import AMQPCodec
import ByteIO
import CProton

extension AMQPConnection {
  // MARK: Attaching and detaching

  /// Answers the peer's attach: the link stands.
  ///
  /// Both ends are echoed, filters included: the stock clients wait for ever for an attach without
  /// source or target (contract §8.5).
  ///
  /// - Parameters:
  ///   - id: The link.
  ///   - credit: For a link that we receive on, how many messages may be under way or unsettled.
  ///   - messageBytes: The longest message on it; nil for the connection's limit.
  ///   - properties: What the answer says of itself.
  ///   - isPresettled: For a link that we send on, whether everything is sent settled.
  package mutating func accept(
    _ id: LinkID,
    credit: Int32 = 0,
    messageBytes: Int? = nil,
    properties: AMQPMap = [:],
    isPresettled: Bool = false
  ) {
    guard let link = links[id]?.link, pn_link_state(link) & PN_LOCAL_UNINIT != 0 else { return }
    answer(link, properties)
    if let messageBytes {
      links[id]?.messageBytes = messageBytes
      pn_link_set_max_message_size(link, UInt64(messageBytes))
    }
    if isPresettled { pn_link_set_snd_settle_mode(link, PN_SND_SETTLED) }
    pn_link_open(link)
    guard pn_link_is_receiver(link), credit > 0 else { return }
    links[id]?.window = credit
    pn_link_flow(link, credit)
  }

  /// Answers the peer's attach and detaches at once.
  package mutating func refuse(_ id: LinkID, _ error: AMQPError) {
    guard let link = links[id]?.link, pn_link_state(link) & PN_LOCAL_UNINIT != 0 else {
      return detach(id, error)
    }
    answer(link, [:])
    pn_link_open(link)
    detach(id, error)
  }

  /// Detaches a link; `detached` comes when the peer has answered.
  package mutating func detach(_ id: LinkID, _ error: AMQPError? = nil) {
    guard let link = links[id], !link.isDetaching else { return }
    links[id]?.isDetaching = true
    if let error { set(pn_link_condition(link.link), error) }
    pn_link_close(link.link)
  }

  /// Attaches a link of our own; `attached` comes with the peer's answer.
  package mutating func attach(
    _ name: String,
    isSender: Bool,
    source: AMQPTerminus,
    target: AMQPTerminus,
    properties: AMQPMap = [:],
    credit: Int32 = 0
  ) -> LinkID? {
    guard let session = defaultSession,
      let link = isSender ? pn_sender(session, name) : pn_receiver(session, name)
    else { return nil }
    let id = enter(link)
    set(pn_link_source(link), source)
    set(pn_link_target(link), target)
    if !properties.isEmpty { ProtonData.set(pn_link_properties(link), .map(properties)) }
    pn_link_open(link)
    if !isSender, credit > 0 {
      links[id]?.window = credit
      pn_link_flow(link, credit)
    }
    return id
  }

  private func set(_ terminus: OpaquePointer?, _ value: AMQPTerminus) {
    if let address = value.address { pn_terminus_set_address(terminus, address) }
    guard !value.filters.isEmpty else { return }
    ProtonData.set(pn_terminus_filter(terminus), .map(value.filters))
  }

  private func answer(_ link: OpaquePointer, _ properties: AMQPMap) {
    echo(pn_link_remote_source(link), in: pn_link_source(link), as: PN_SOURCE)
    echo(pn_link_remote_target(link), in: pn_link_target(link), as: PN_TARGET)
    pn_link_set_snd_settle_mode(link, pn_link_remote_snd_settle_mode(link))
    pn_link_set_rcv_settle_mode(link, pn_link_remote_rcv_settle_mode(link))
    pn_link_set_max_message_size(link, UInt64(limits.messageBytes))
    if !properties.isEmpty { ProtonData.set(pn_link_properties(link), .map(properties)) }
  }

  private func echo(
    _ remote: OpaquePointer?,
    in local: OpaquePointer?,
    as type: pn_terminus_type_t
  ) {
    pn_terminus_copy(local, remote)
    if pn_terminus_get_type(local) == PN_UNSPECIFIED { pn_terminus_set_type(local, type) }
    guard pn_terminus_is_dynamic(local), pn_terminus_get_address(local) == nil else { return }
    pn_terminus_set_address(local, "dynamic-\(lastNumber)")
  }

  // MARK: Receiving

  /// Is done with a message that came: settles it, unless the sender had.
  package mutating func settle(_ id: DeliveryID, _ outcome: AMQPOutcome) {
    guard let known = deliveries[id] else { return }
    if let delivery = known.delivery { update(delivery, outcome) }
    forget(id)
  }

  private func update(_ delivery: OpaquePointer, _ outcome: AMQPOutcome) {
    switch outcome {
    case .accepted: pn_delivery_update(delivery, UInt64(PN_ACCEPTED))
    case .rejected(let error):
      if let error {
        let local = pn_delivery_local(delivery)
        set(pn_disposition_condition(local), error)
      }
      pn_delivery_update(delivery, UInt64(PN_REJECTED))
    case .released: pn_delivery_update(delivery, UInt64(PN_RELEASED))
    case .modified(let hasFailed, let isUndeliverable):
      let local = pn_delivery_local(delivery)
      pn_disposition_set_failed(local, hasFailed)
      pn_disposition_set_undeliverable(local, isUndeliverable)
      pn_delivery_update(delivery, UInt64(PN_MODIFIED))
    case .unknown: break
    }
  }

  mutating func forget(_ id: DeliveryID) {
    guard let known = deliveries.removeValue(forKey: id) else { return }
    if let delivery = known.delivery { pn_delivery_settle(delivery) }
    links[known.link]?.unsettledCount -= 1
    replenish(known.link)
  }

  /// Changes how many messages may be under way or not done with on a link that we receive on; 0 stops
  /// the sender when its credit is used up.
  package mutating func setWindow(_ id: LinkID, _ window: Int32) {
    links[id]?.window = window
    replenish(id)
  }

  /// Gives new credit when half the window is used.
  mutating func replenish(_ id: LinkID) {
    guard let link = links[id], link.window > 0, !link.isDetaching else { return }
    let room = link.window - pn_link_credit(link.link) - link.unsettledCount
    if room * 2 >= link.window { pn_link_flow(link.link, room) }
  }

  // MARK: Sending

  /// How many messages the peer takes now.
  package func credit(of id: LinkID) -> Int {
    guard let link = links[id], link.isSender, !link.isDetaching else { return 0 }
    return Int(pn_link_credit(link.link))
  }

  /// Whether the peer wants its credit used up, or given back by `drained`.
  package func isDraining(_ id: LinkID) -> Bool {
    links[id].map { pn_link_get_drain($0.link) } ?? false
  }

  /// There is nothing to send for what credit is left.
  package func drained(_ id: LinkID) {
    if let link = links[id]?.link { _ = pn_link_drained(link) }
  }

  /// Bytes that wait inside for the peer's windows or the driver's `write`, over all links of this
  /// one's session.
  package func backlog(of id: LinkID) -> Int {
    guard let link = links[id]?.link else { return 0 }
    return pn_session_outgoing_bytes(pn_link_session(link))
  }

  /// Sends messages that stand one after the other in `bytes`, settled; each takes one credit.
  ///
  /// `ends` says where each message ends.
  package mutating func sendSettled(_ bytes: Span<UInt8>, ends: [Int], on id: LinkID) {
    guard let link = links[id], link.isSender, !link.isDetaching else { return }
    var position = 0
    for end in ends {
      lastTag &+= 1
      var tag = lastTag.bigEndian
      let made = withUnsafeBytes(of: &tag) { raw in
        pn_delivery(link.link, pn_dtag(raw.bindMemory(to: CChar.self).baseAddress, raw.count))
      }
      guard let delivery = made else { return }
      put(bytes.extracting(position..<end), on: link.link)
      // Settled before it is advanced, so that the transfer itself says so.
      pn_delivery_settle(delivery)
      position = end
    }
  }

  private func put(_ message: Span<UInt8>, on link: OpaquePointer) {
    message.withUnsafeBytes { raw in
      _ = pn_link_send(link, raw.bindMemory(to: CChar.self).baseAddress, raw.count)
    }
  }

  /// Sends one message; it takes one credit.
  ///
  /// - Returns: The delivery's name, by which `settled` will tell its outcome; nil if it is sent
  ///   settled, or if the link is gone.
  @discardableResult
  package mutating func send(
    _ message: Span<UInt8>,
    on id: LinkID,
    tag: [UInt8],
    isSettled: Bool
  ) -> DeliveryID? {
    guard let link = links[id], link.isSender, !link.isDetaching else { return nil }
    let made = tag.withUnsafeBytes { raw in
      pn_delivery(link.link, pn_dtag(raw.bindMemory(to: CChar.self).baseAddress, raw.count))
    }
    guard let delivery = made else { return nil }
    put(message, on: link.link)
    guard !isSettled else {
      pn_delivery_settle(delivery)
      return nil
    }
    let name = DeliveryID(number: makeNumber())
    pn_delivery_set_context(delivery, UnsafeMutableRawPointer(bitPattern: name.number))
    deliveries[name] = Delivery(delivery: delivery, link: id)
    links[id]?.unsettledCount += 1
    pn_link_advance(link.link)
    return name
  }
}
