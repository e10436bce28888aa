public import ByteIO

extension ClientConnection {
  /// Takes the next packet out of `bytes`, from `position` on, and moves `position` behind it.
  ///
  /// The whole loop of a driver: call it until it answers `wait` or `close`. Ranges in the action
  /// count from the start of `bytes`.
  public mutating func receive(
    _ bytes: Span<UInt8>,
    from position: inout Int,
    now: Instant
  ) -> ClientReceiveAction {
    guard isReceiving else { return .wait }
    let frame: Frame?
    do {
      let maximum = Int(limits.maximumPacketLength)
      frame = try PacketDecoder.next(bytes, from: position, maximumLength: maximum)
    } catch {
      return failed(error)
    }
    guard let frame else { return .wait }
    position += frame.length
    return receive(frame.layout, now: now)
  }

  /// Takes one packet.
  ///
  /// Must not be called while `isReceiving` is false, but for the states after the end, in which
  /// packets are ignored.
  public mutating func receive(_ packet: PacketLayout, now: Instant) -> ClientReceiveAction {
    let limits = limits
    switch consume state {
    case .awaitingConnack(let opening):
      if let reason = opening.refusal(packet) {
        self = Self(limits, .closing(reason, opening.ending()))
        return .close(reason)
      }
      let sessionPresent = packet == .connack(sessionPresent: true, returnCode: .accepted)
      let connected = opening.connected(sessionPresent: sessionPresent, now: now)
      self = Self(limits, .connected(connected))
      return .connected(sessionPresent: sessionPresent)
    case .connected(var connected):
      let action = connected.receive(packet, limits, now)
      guard case .close(let reason) = action else {
        self = Self(limits, .connected(connected))
        return action
      }
      self = Self(limits, .closing(reason, connected.ending()))
      return action
    case .closing(let reason, let session):
      self = Self(limits, .closing(reason, session))
      return .none
    case .closed(let reason):
      self = Self(limits, .closed(reason))
      return .none
    }
  }

  /// Takes a fault of the decoder.
  public mutating func failed(_ fault: MQTTFault) -> ClientReceiveAction {
    let limits = limits
    switch consume state {
    case .awaitingConnack(let opening):
      self = Self(limits, .closing(.fault(fault), opening.ending()))
      return .close(.fault(fault))
    case .connected(let connected):
      self = Self(limits, .closing(.fault(fault), connected.ending()))
      return .close(.fault(fault))
    case .closing(let reason, let session):
      self = Self(limits, .closing(reason, session))
      return .none
    case .closed(let reason):
      self = Self(limits, .closed(reason))
      return .none
    }
  }
}

extension ClientConnection.Opening {
  /// Why the connection does not come about with this packet; nil if it does.
  func refusal(_ packet: PacketLayout) -> CloseReason? {
    guard case .connack(let sessionPresent, let code) = packet else {
      return .fault(.connackExpected)
    }
    guard code == .accepted else { return .refused(code) }
    return sessionPresent && cleanSession ? .fault(.sessionPresentAfterCleanSession) : nil
  }

  consuming func ending() -> Session? { cleanSession ? nil : session }

  consuming func connected(sessionPresent: Bool, now: Instant) -> ClientConnection.Connected {
    // Without its session the server repeats nothing: identifiers it uses now are new messages.
    if !sessionPresent { session.received.removeAll() }
    return ClientConnection.Connected(
      exchange: Exchange(session: session),
      lastSent: now,
      pingDeadline: nil,
      keepAliveSeconds: keepAliveSeconds,
      cleanSession: cleanSession
    )
  }
}

extension ClientConnection.Connected {
  mutating func receive(
    _ packet: PacketLayout,
    _ limits: ClientLimits,
    _ now: Instant
  ) -> ClientReceiveAction {
    let timeout = UInt64(limits.pingTimeoutMilliseconds)
    if pingDeadline != nil { pingDeadline = now.adding(milliseconds: timeout) }
    switch packet {
    case .publish(let publish):
      let limit = Int(limits.maximumInbound)
      guard exchange.inbound.count < limit else {
        assertionFailure("a packet was handed on while isReceiving was false")
        return .close(.misuse)
      }
      let outcome = exchange.published(publish, maximumQoS: .exactlyOnce, limit: limit)
      if case .deliver = outcome { return .deliver(publish) }
      return action(outcome, now)
    case .puback(let identifier): return action(exchange.puback(identifier), now)
    case .pubrec(let identifier): return action(exchange.pubrec(identifier), now)
    case .pubrel(let identifier): return action(exchange.pubrel(identifier), now)
    case .pubcomp(let identifier): return action(exchange.pubcomp(identifier), now)
    case .suback(let suback):
      switch exchange.suback(suback) {
      case .settled(let delivery): return .subscribed(delivery: delivery, suback)
      case let outcome: return action(outcome, now)
      }
    case .unsuback(let identifier):
      switch exchange.unsuback(identifier) {
      case .settled(let delivery): return .unsubscribed(delivery: delivery)
      case let outcome: return action(outcome, now)
      }
    case .pingresp:
      pingDeadline = nil
      return .none
    case .connect, .connack, .subscribe, .unsubscribe, .pingreq, .disconnect:
      return .close(.fault(.unexpectedPacket))
    }
  }

  private mutating func action(
    _ outcome: Exchange.Outcome,
    _ now: Instant
  ) -> ClientReceiveAction {
    switch outcome {
    case .none, .deliver: return .none
    case .send(let packet):
      lastSent = now
      return .send(packet)
    case .settled(let delivery): return .acknowledged(delivery: delivery)
    case .fault(let fault): return .close(.fault(fault))
    }
  }
}
