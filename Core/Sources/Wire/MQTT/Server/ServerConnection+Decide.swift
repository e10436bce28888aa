public import ByteIO

extension ServerConnection {
  /// Lets the client in: appends the CONNACK.
  ///
  /// `session` is the stored state of this client, or nil for none; it is dropped, and Session
  /// Present stays 0, if the client asked for a clean session [MQTT-3.2.2-1] [MQTT-3.2.2-2]. A server
  /// whose session consists of subscriptions alone passes `Session()` for it. `will` is the one of
  /// the CONNECT. Returns false, and appends nothing, if the connection ended while the decision was
  /// made.
  @inlinable
  public mutating func accept(
    session: consuming Session?,
    will: Will?,
    now: Instant,
    to sink: inout some ByteSink
  ) -> Bool {
    guard let present = accepted(session, will, now) else { return false }
    PacketEncoder.connack(sessionPresent: present, returnCode: .accepted, to: &sink)
    return true
  }

  /// Turns the client away: appends the CONNACK, after which the driver closes the link and reports
  /// `linkLost`.
  ///
  /// `code` must not be `accepted`. Returns false, and appends nothing, if the connection ended
  /// while the decision was made.
  @inlinable
  public mutating func refuse(_ code: ConnectReturnCode, to sink: inout some ByteSink) -> Bool {
    guard refused(code) else { return false }
    PacketEncoder.connack(sessionPresent: false, returnCode: code, to: &sink)
    return true
  }

  /// Moves to `connected`; returns Session Present, nil if there is nothing to accept any more.
  @usableFromInline
  mutating func accepted(_ session: consuming Session?, _ will: Will?, _ now: Instant) -> Bool? {
    let limits = limits
    switch consume state {
    case .authenticating(let waiting):
      let stored = waiting.cleanSession ? nil : session
      let present = stored != nil
      self = Self(
        limits,
        .connected(
          Connected(
            exchange: Exchange(session: stored ?? Session()),
            will: will,
            lastReceived: now,
            silenceMilliseconds: limits.silence(waiting.keepAliveSeconds),
            cleanSession: waiting.cleanSession
          )
        )
      )
      return present
    case .awaitingConnect:
      assertionFailure("nothing to accept")
      self = Self(limits, .closing(Closing(reason: .misuse)))
      return nil
    case .connected(let connected):
      assertionFailure("nothing to accept")
      self = Self(limits, .closing(connected.closing(.misuse)))
      return nil
    case .closing(let closing):
      self = Self(limits, .closing(closing))
      return nil
    case .closed(let reason):
      self = Self(limits, .closed(reason))
      return nil
    }
  }

  @usableFromInline
  mutating func refused(_ code: ConnectReturnCode) -> Bool {
    let limits = limits
    switch consume state {
    case .authenticating:
      assert(code != .accepted, "a refusal needs a reason")
      self = Self(limits, .closing(Closing(reason: .refused(code))))
      return true
    case .awaitingConnect:
      assertionFailure("nothing to refuse")
      self = Self(limits, .closing(Closing(reason: .misuse)))
      return false
    case .connected(let connected):
      assertionFailure("nothing to refuse")
      self = Self(limits, .closing(connected.closing(.misuse)))
      return false
    case .closing(let closing):
      self = Self(limits, .closing(closing))
      return false
    case .closed(let reason):
      self = Self(limits, .closed(reason))
      return false
    }
  }
}

extension ServerConnection {
  /// A deadline has come.
  ///
  /// While the machine itself asked not to be given bytes, a client's silence proves nothing, and
  /// its time starts anew.
  public mutating func timeout(now: Instant) -> ServerTimeoutAction {
    let limits = limits
    switch consume state {
    case .awaitingConnect(let deadline):
      guard now >= deadline else {
        self = Self(limits, .awaitingConnect(deadline: deadline))
        return .none
      }
      self = Self(limits, .closing(Closing(reason: .connectTimeout)))
      return .close(.connectTimeout)
    case .authenticating(let waiting):
      guard now >= waiting.deadline else {
        self = Self(limits, .authenticating(waiting))
        return .none
      }
      self = Self(limits, .closing(Closing(reason: .authenticationTimeout)))
      return .close(.authenticationTimeout)
    case .connected(var connected):
      guard let deadline = connected.deadline, now >= deadline else {
        self = Self(limits, .connected(connected))
        return .none
      }
      guard connected.exchange.inbound.count < Int(limits.maximumInbound) else {
        connected.lastReceived = now
        self = Self(limits, .connected(connected))
        return .none
      }
      self = Self(limits, .closing(connected.closing(.keepAliveExpired)))
      return .close(.keepAliveExpired)
    case .closing(let closing):
      self = Self(limits, .closing(closing))
      return .none
    case .closed(let reason):
      self = Self(limits, .closed(reason))
      return .none
    }
  }

  /// The link is gone, whoever closed it; tells what is left, the first time.
  ///
  /// A driver that drops a client of its own accord, because another one takes over or a credential
  /// expired, closes the link and calls this: the will then stands [MQTT-3.1.2-8].
  public mutating func linkLost() -> ServerEnding {
    let limits = limits
    switch consume state {
    case .awaitingConnect:
      self = Self(limits, .closed(.linkLost))
      return ServerEnding(reason: .linkLost, will: nil, session: nil)
    case .authenticating:
      self = Self(limits, .closed(.linkLost))
      return ServerEnding(reason: .linkLost, will: nil, session: nil)
    case .connected(let connected):
      self = Self(limits, .closed(.linkLost))
      let left = connected.closing(.linkLost)
      return ServerEnding(reason: .linkLost, will: left.will, session: left.session)
    case .closing(let left):
      self = Self(limits, .closed(left.reason))
      return ServerEnding(reason: left.reason, will: left.will, session: left.session)
    case .closed(let reason):
      self = Self(limits, .closed(reason))
      return ServerEnding(reason: reason, will: nil, session: nil)
    }
  }
}
