import AMQPCodec
import CProton

extension AMQPConnection {
  /// Turns the engine's events into ours.
  mutating func collect() {
    while let event = pn_collector_peek(collector) {
      take(event)
      pn_collector_pop(collector)
    }
  }

  private mutating func take(_ event: OpaquePointer) {
    switch pn_event_type(event) {
    case PN_CONNECTION_REMOTE_OPEN:
      if pn_connection_state(connection) & PN_LOCAL_UNINIT != 0 { pn_connection_open(connection) }
      events.append(
        .opened(
          container: ProtonData.text(pn_connection_remote_container(connection)) ?? "",
          hostname: ProtonData.text(pn_connection_remote_hostname(connection))
        )
      )
    case PN_CONNECTION_REMOTE_CLOSE:
      let error = ProtonData.error(pn_connection_remote_condition(connection))
      pn_connection_close(connection)
      finish(error)
    case PN_SESSION_REMOTE_OPEN: sessionOpened(pn_event_session(event))
    case PN_SESSION_REMOTE_CLOSE: sessionClosed(pn_event_session(event))
    case PN_LINK_REMOTE_OPEN: linkAttached(pn_event_link(event))
    case PN_LINK_REMOTE_CLOSE: linkDetached(pn_event_link(event), isClosed: true)
    case PN_LINK_REMOTE_DETACH: linkDetached(pn_event_link(event), isClosed: false)
    case PN_LINK_FLOW:
      guard let link = pn_event_link(event), let id = id(of: link), pn_link_is_sender(link) else {
        return
      }
      events.append(.credited(id))
    case PN_DELIVERY: delivery(pn_event_delivery(event))
    case PN_TRANSPORT_ERROR:
      finish(ProtonData.error(pn_transport_condition(transport)))
    case PN_TRANSPORT_CLOSED: finish(nil)
    default: break
    }
  }

  // MARK: Sessions

  private mutating func sessionOpened(_ session: OpaquePointer?) {
    guard let session, pn_session_state(session) & PN_LOCAL_UNINIT != 0 else { return }
    sessionCount += 1
    pn_session_set_incoming_capacity(session, limits.sessionBytes)
    pn_session_open(session)
    guard sessionCount > Int(limits.sessions) else { return }
    set(
      pn_session_condition(session),
      AMQPError(AMQPError.resourceLimitExceeded, "too many sessions")
    )
    pn_session_close(session)
  }

  private mutating func sessionClosed(_ session: OpaquePointer?) {
    guard let session else { return }
    let error = ProtonData.error(pn_session_remote_condition(session))
    for (id, link) in links where pn_link_session(link.link) == session {
      end(id, link, error)
    }
    sessionCount -= 1
    pn_session_close(session)
    if session == defaultSession { defaultSession = nil }
    pn_session_free(session)
  }

  // MARK: Links

  /// The link's name here, which its context holds.
  func id(of link: OpaquePointer) -> LinkID? {
    guard let context = pn_link_get_context(link) else { return nil }
    return LinkID(number: UInt(bitPattern: context))
  }

  mutating func enter(_ link: OpaquePointer) -> LinkID {
    let id = LinkID(number: makeNumber())
    pn_link_set_context(link, UnsafeMutableRawPointer(bitPattern: id.number))
    links[id] = Link(
      link: link,
      isSender: pn_link_is_sender(link),
      messageBytes: limits.messageBytes
    )
    return id
  }

  private mutating func linkAttached(_ link: OpaquePointer?) {
    guard let link else { return }
    let attach = attach(of: link)
    if let id = id(of: link) { return events.append(.attached(id, attach)) }
    // A session that ends for its limits takes its links with it.
    guard pn_session_state(pn_link_session(link)) & PN_LOCAL_ACTIVE != 0 else { return }
    let id = enter(link)
    // Refused links stand until the peer has detached them; one that never does is refused itself.
    guard links.count <= 2 * limits.links else {
      takesInput = false
      return close(AMQPError(AMQPError.resourceLimitExceeded, "too many links"))
    }
    guard links.count <= limits.links else {
      return refuse(id, AMQPError(AMQPError.resourceLimitExceeded, "too many links"))
    }
    events.append(.attached(id, attach))
  }

  private mutating func attach(of link: OpaquePointer) -> AMQPAttach {
    let name = ProtonData.text(pn_link_name(link)) ?? ""
    var desired: [String] = []
    if let index = capabilities.firstIndex(where: { $0.name == name }) {
      desired = capabilities.remove(at: index).desired
    }
    return AMQPAttach(
      name: name,
      isPeerSender: pn_link_is_receiver(link),
      source: terminus(pn_link_remote_source(link)),
      target: terminus(pn_link_remote_target(link)),
      properties: ProtonData.map(pn_link_remote_properties(link)),
      desiredCapabilities: desired,
      isPresettled: pn_link_remote_snd_settle_mode(link) == PN_SND_SETTLED
    )
  }

  private func terminus(_ terminus: OpaquePointer?) -> AMQPTerminus {
    guard let terminus else { return AMQPTerminus(address: nil) }
    var result = AMQPTerminus(
      address: ProtonData.text(pn_terminus_get_address(terminus)),
      filters: ProtonData.map(pn_terminus_filter(terminus))
    )
    result.isDynamic = pn_terminus_is_dynamic(terminus)
    return result
  }

  private mutating func linkDetached(_ link: OpaquePointer?, isClosed: Bool) {
    guard let link, let id = id(of: link), let known = links[id] else { return }
    end(id, known, ProtonData.error(pn_link_remote_condition(link)))
    if isClosed { pn_link_close(link) } else { pn_link_detach(link) }
    pn_link_free(link)
  }

  /// Forgets a link and what of it was unsettled.
  private mutating func end(_ id: LinkID, _ link: Link, _ error: AMQPError?) {
    pn_link_set_context(link.link, nil)
    links[id] = nil
    if link.unsettledCount > 0 {
      for (key, value) in deliveries where value.link == id { deliveries[key] = nil }
    }
    events.append(.detached(id, error))
  }

  // MARK: Deliveries

  private mutating func delivery(_ delivery: OpaquePointer?) {
    guard let delivery, let link = pn_delivery_link(delivery), let id = id(of: link) else { return }
    if pn_link_is_sender(link) {
      settled(delivery, of: id)
    } else {
      received(delivery, on: link, id)
    }
  }

  private mutating func settled(_ delivery: OpaquePointer, of id: LinkID) {
    guard pn_delivery_updated(delivery), let context = pn_delivery_get_context(delivery) else {
      return
    }
    let name = DeliveryID(number: UInt(bitPattern: context))
    let outcome = outcome(of: delivery)
    // `received` tells progress, and decides nothing.
    guard pn_delivery_settled(delivery) || outcome != .unknown else { return }
    guard deliveries.removeValue(forKey: name) != nil else { return }
    links[id]?.unsettledCount -= 1
    pn_delivery_settle(delivery)
    events.append(.settled(id, name, outcome))
  }

  private func outcome(of delivery: OpaquePointer) -> AMQPOutcome {
    let disposition = pn_delivery_remote(delivery)
    switch Int32(truncatingIfNeeded: pn_delivery_remote_state(delivery)) {
    case PN_ACCEPTED: return .accepted
    case PN_REJECTED:
      return .rejected(ProtonData.error(pn_disposition_condition(disposition)))
    case PN_RELEASED: return .released
    case PN_MODIFIED:
      return .modified(
        hasFailed: pn_disposition_is_failed(disposition),
        isUndeliverable: pn_disposition_is_undeliverable(disposition)
      )
    default: return .unknown
    }
  }

  /// Deals with a delivery that brings nothing: one that the sender settled meanwhile, or one that was
  /// under way when its link was detached.
  private mutating func disregard(_ delivery: OpaquePointer, on link: OpaquePointer) {
    if let context = pn_delivery_get_context(delivery) {
      // The sender took back what we have not settled: we agree.
      if pn_delivery_settled(delivery) { forget(DeliveryID(number: UInt(bitPattern: context))) }
    } else if !pn_delivery_partial(delivery), pn_link_current(link) == delivery {
      pn_link_advance(link)
      pn_delivery_settle(delivery)
    }
  }

  private mutating func received(
    _ delivery: OpaquePointer,
    on link: OpaquePointer,
    _ id: LinkID
  ) {
    // Who sends without credit could fill the session on links that were refused: nothing more of
    // that peer is taken.
    guard pn_link_remote_credit(link) >= 0 else {
      takesInput = false
      return close(AMQPError(AMQPError.transferLimitExceeded, "more messages than credit"))
    }
    guard let known = links[id], pn_delivery_readable(delivery), !known.isDetaching else {
      return disregard(delivery, on: link)
    }
    let size = pn_delivery_pending(delivery)
    guard size <= known.messageBytes else {
      return detach(
        id,
        AMQPError(AMQPError.messageSizeExceeded, "more than \(known.messageBytes) bytes")
      )
    }
    guard !pn_delivery_aborted(delivery) else { return pn_delivery_settle(delivery) }
    guard !pn_delivery_partial(delivery), pn_link_current(link) == delivery else { return }
    let message = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      let taken = buffer.withMemoryRebound(to: CChar.self) {
        pn_link_recv(link, $0.baseAddress, $0.count)
      }
      count = max(0, taken)
    }
    let tag = ProtonData.bytes(pn_delivery_tag(delivery))
    let name = DeliveryID(number: makeNumber())
    let isSettled = pn_delivery_settled(delivery)
    pn_link_advance(link)
    if isSettled {
      pn_delivery_settle(delivery)
    } else {
      pn_delivery_set_context(delivery, UnsafeMutableRawPointer(bitPattern: name.number))
    }
    deliveries[name] = Delivery(delivery: isSettled ? nil : delivery, link: id)
    links[id]?.unsettledCount += 1
    let result = AMQPDelivery(
      id: name,
      isSettled: isSettled,
      tag: tag,
      message: message,
      isBatch: batchTags.remove(tag) != nil
    )
    events.append(.delivered(id, result))
  }
}
