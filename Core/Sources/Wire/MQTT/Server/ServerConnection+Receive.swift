public import ByteIO

extension ServerConnection {
  /// Takes the next packet out of `bytes`, from `position` on, and moves `position` behind it.
  ///
  /// The whole loop of a driver: call it until it answers `wait`, `refuse` or `close`. Ranges in the
  /// action count from the start of `bytes`.
  public mutating func receive(
    _ bytes: Span<UInt8>,
    from position: inout Int,
    now: Instant
  ) -> ServerReceiveAction {
    guard isReceiving else { return .wait }
    let frame: Frame?
    do {
      frame = try PacketDecoder.frame(
        bytes,
        position,
        maximumPacketLength,
        limits.wildcardsAreLiteral
      )
    } catch {
      return failed(error)
    }
    guard let frame else { return .wait }
    position += frame.length
    return take(frame.layout, now)
  }

  /// Takes one packet.
  ///
  /// Must not be called while `isReceiving` is false, but for the states after the end, in which
  /// packets are ignored.
  public mutating func receive(_ packet: PacketLayout, now: Instant) -> ServerReceiveAction {
    take(packet, now)
  }

  @inline(__always)
  private mutating func take(_ packet: PacketLayout, _ now: Instant) -> ServerReceiveAction {
    let limits = limits
    switch consume state {
    case .awaitingConnect:
      switch Self.first(packet, limits) {
      case .authenticate(let connect):
        self = Self(limits, .authenticating(Authenticating(connect, limits, now)))
        return .authenticate(connect)
      case .refuse(let code):
        self = Self(limits, .closing(Closing(reason: .refused(code))))
        return .refuse(code)
      case .close(let reason):
        self = Self(limits, .closing(Closing(reason: reason)))
        return .close(reason)
      }
    case .authenticating:
      assertionFailure("a packet was handed on before the CONNECT was decided on")
      self = Self(limits, .closing(Closing(reason: .misuse)))
      return .close(.misuse)
    case .connected(var connected):
      let action = connected.receive(packet, limits, now)
      guard case .close(let reason) = action else {
        self = Self(limits, .connected(connected))
        return action
      }
      self = Self(limits, .closing(connected.closing(reason)))
      return action
    case .closing(let closing):
      self = Self(limits, .closing(closing))
      return .none
    case .closed(let reason):
      self = Self(limits, .closed(reason))
      return .none
    }
  }

  /// Takes a fault of the decoder.
  public mutating func failed(_ fault: MQTTFault) -> ServerReceiveAction {
    let limits = limits
    switch consume state {
    case .awaitingConnect:
      // [MQTT-3.1.2-2]: the one fault that is answered.
      if case .unsupportedProtocolLevel = fault {
        let code = ConnectReturnCode.unacceptableProtocolVersion
        self = Self(limits, .closing(Closing(reason: .refused(code))))
        return .refuse(code)
      }
      self = Self(limits, .closing(Closing(reason: .fault(fault))))
      return .close(.fault(fault))
    case .authenticating:
      self = Self(limits, .closing(Closing(reason: .fault(fault))))
      return .close(.fault(fault))
    case .connected(let connected):
      self = Self(limits, .closing(connected.closing(.fault(fault))))
      return .close(.fault(fault))
    case .closing(let closing):
      self = Self(limits, .closing(closing))
      return .none
    case .closed(let reason):
      self = Self(limits, .closed(reason))
      return .none
    }
  }

  private enum First {
    case authenticate(ConnectLayout)
    case refuse(ConnectReturnCode)
    case close(CloseReason)
  }

  /// Judges the first packet.
  private static func first(_ packet: PacketLayout, _ limits: ServerLimits) -> First {
    guard case .connect(let connect) = packet else { return .close(.fault(.connectExpected)) }
    if let will = connect.will, will.qos > limits.maximumQoS {
      return .close(.fault(.qosNotSupported))
    }
    // [MQTT-3.1.3-8]: nobody could come back to such a session.
    let isAnonymous = connect.clientIdentifier.isEmpty && !connect.cleanSession
    return isAnonymous ? .refuse(.identifierRejected) : .authenticate(connect)
  }
}

extension ServerConnection.Authenticating {
  fileprivate init(_ connect: ConnectLayout, _ limits: ServerLimits, _ now: Instant) {
    deadline = now.adding(milliseconds: UInt64(limits.authenticationTimeoutMilliseconds))
    keepAliveSeconds = connect.keepAliveSeconds
    cleanSession = connect.cleanSession
  }
}

extension ServerConnection.Connected {
  @inline(__always)
  mutating func receive(
    _ packet: PacketLayout,
    _ limits: ServerLimits,
    _ now: Instant
  ) -> ServerReceiveAction {
    lastReceived = now
    switch packet {
    case .publish(let publish):
      let limit = Int(limits.maximumInbound)
      guard exchange.inbound.count < limit else {
        assertionFailure("a packet was handed on while isReceiving was false")
        return .close(.misuse)
      }
      let outcome = exchange.published(publish, maximumQoS: limits.maximumQoS, limit: limit)
      return action(outcome, publish)
    case .puback(let identifier): return action(exchange.puback(identifier))
    case .pubrec(let identifier): return action(exchange.pubrec(identifier))
    case .pubrel(let identifier): return action(exchange.pubrel(identifier))
    case .pubcomp(let identifier): return action(exchange.pubcomp(identifier))
    case .subscribe(let subscribe): return .subscribe(subscribe)
    case .unsubscribe(let unsubscribe): return .unsubscribe(unsubscribe)
    case .pingreq: return .send(.pingresp)
    case .disconnect:
      will = nil
      return .close(.disconnected)
    case .connect: return .close(.fault(.secondConnect))
    case .connack, .suback, .unsuback, .pingresp: return .close(.fault(.unexpectedPacket))
    }
  }

  @inline(__always)
  private func action(
    _ outcome: Exchange.Outcome,
    _ publish: PublishLayout
  ) -> ServerReceiveAction {
    if case .deliver = outcome { return .deliver(publish) }
    return action(outcome)
  }

  private func action(_ outcome: Exchange.Outcome) -> ServerReceiveAction {
    switch outcome {
    case .none, .deliver: .none
    case .send(let packet): .send(packet)
    case .settled(let delivery): .acknowledged(delivery: delivery)
    case .fault(let fault): .close(.fault(fault))
    }
  }

  consuming func closing(_ reason: CloseReason) -> ServerConnection.Closing {
    ServerConnection.Closing(
      reason: reason,
      will: will,
      session: cleanSession ? nil : exchange.session
    )
  }
}
