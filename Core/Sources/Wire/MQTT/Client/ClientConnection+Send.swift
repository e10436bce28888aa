public import ByteIO

extension ClientConnection {
  /// Takes a packet identifier for a PUBLISH of QoS 1 or 2, which the owner knows as `delivery` and
  /// sends now.
  ///
  /// Returns nil when the outbound window is full, until something is settled, and when the
  /// connection does not stand. A PUBLISH of QoS 0 needs none; report it with `sent(now:)`.
  public mutating func reserve(
    delivery: UInt64,
    qos: QoS = .atLeastOnce,
    now: Instant
  ) -> UInt16? {
    reserve(delivery, qos == .exactlyOnce ? .pubrec : .puback, 0, now)
  }

  /// Takes a packet identifier for a SUBSCRIBE with `filterCount` filters, which the owner knows as
  /// `delivery` and sends now.
  ///
  /// Returns nil as `reserve(delivery:qos:now:)` does. A request does not outlive the connection.
  public mutating func reserveSubscribe(
    delivery: UInt64,
    filterCount: UInt16,
    now: Instant
  ) -> UInt16? {
    reserve(delivery, .suback, filterCount, now)
  }

  /// Takes a packet identifier for an UNSUBSCRIBE, which the owner knows as `delivery` and sends now.
  ///
  /// Returns nil as `reserve(delivery:qos:now:)` does. A request does not outlive the connection.
  public mutating func reserveUnsubscribe(delivery: UInt64, now: Instant) -> UInt16? {
    reserve(delivery, .unsuback, 0, now)
  }

  /// Something was sent that the machine did not ask for or number: a QoS 0 PUBLISH, a repetition.
  ///
  /// It puts off the next PINGREQ; leaving it out only costs a needless one.
  public mutating func sent(now: Instant) {
    whenConnected { $0.lastSent = now }
  }

  /// A received message is safe: appends its PUBACK or PUBREC and those it held up.
  ///
  /// Answers leave in the order in which the messages came [MQTT-4.6.0-2] [MQTT-4.6.0-3]: while an
  /// older message waits, nothing is written. After the end it is ignored. An identifier that does
  /// not wait is misuse.
  @inlinable
  public mutating func acknowledge(
    _ packetIdentifier: UInt16,
    now: Instant,
    to sink: inout some ByteSink
  ) -> AcknowledgeAction {
    guard acknowledged(packetIdentifier, now) else { return .close(.misuse) }
    var written = 0
    while true {
      let answers = nextAnswers()
      for index in 0..<answers.count { sink.uint32(answers.packets[index]) }
      written += answers.count
      if !answers.isFull { return .written(written) }
    }
  }

  /// Leaves in good order: appends the DISCONNECT, after which the driver closes the link and
  /// reports `linkLost` [MQTT-3.14.4-1].
  ///
  /// The server then discards the will. Returns false, and appends nothing, if the connection does
  /// not stand; the driver then closes the link all the same.
  @inlinable
  public mutating func disconnect(to sink: inout some ByteSink) -> Bool {
    guard disconnected() else { return false }
    ShortPacket.disconnect.encode(to: &sink)
    return true
  }

  /// The link is gone, whoever closed it; gives back the session, the first time.
  public mutating func linkLost() -> ClientEnding {
    let limits = limits
    switch consume state {
    case .awaitingConnack(let opening):
      self = Self(limits, .closed(.linkLost))
      return ClientEnding(reason: .linkLost, session: opening.ending())
    case .connected(let connected):
      self = Self(limits, .closed(.linkLost))
      return ClientEnding(reason: .linkLost, session: connected.ending())
    case .closing(let reason, let session):
      self = Self(limits, .closed(reason))
      return ClientEnding(reason: reason, session: session)
    case .closed(let reason):
      self = Self(limits, .closed(reason))
      return ClientEnding(reason: reason, session: nil)
    }
  }
}

extension ClientConnection {
  /// A deadline has come.
  ///
  /// While the machine itself asked not to be given bytes, a missing PINGRESP proves nothing, and its
  /// time starts anew.
  public mutating func timeout(now: Instant) -> ClientTimeoutAction {
    let limits = limits
    switch consume state {
    case .awaitingConnack(let opening):
      guard now >= opening.deadline else {
        self = Self(limits, .awaitingConnack(opening))
        return .none
      }
      self = Self(limits, .closing(.connectTimeout, opening.ending()))
      return .close(.connectTimeout)
    case .connected(var connected):
      let action = connected.timeout(limits, now)
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

  @usableFromInline
  mutating func acknowledged(_ packetIdentifier: UInt16, _ now: Instant) -> Bool {
    let limits = limits
    switch consume state {
    case .connected(var connected):
      guard connected.exchange.inbound.acknowledge(packetIdentifier) else {
        assertionFailure("acknowledged a message that does not wait")
        self = Self(limits, .closing(.misuse, connected.ending()))
        return false
      }
      connected.lastSent = now
      self = Self(limits, .connected(connected))
      return true
    case .awaitingConnack(let opening):
      assertionFailure("acknowledged a message before the connection stood")
      self = Self(limits, .closing(.misuse, opening.ending()))
      return false
    case .closing(let reason, let session):
      self = Self(limits, .closing(reason, session))
      return true
    case .closed(let reason):
      self = Self(limits, .closed(reason))
      return true
    }
  }

  @usableFromInline
  mutating func nextAnswers() -> Answers {
    var answers = Answers()
    whenConnected { answers = $0.exchange.nextAnswers() }
    return answers
  }

  @usableFromInline
  mutating func disconnected() -> Bool {
    let limits = limits
    switch consume state {
    case .awaitingConnack(let opening):
      self = Self(limits, .closing(.disconnected, opening.ending()))
      return false
    case .connected(let connected):
      self = Self(limits, .closing(.disconnected, connected.ending()))
      return true
    case .closing(let reason, let session):
      self = Self(limits, .closing(reason, session))
      return false
    case .closed(let reason):
      self = Self(limits, .closed(reason))
      return false
    }
  }

  private mutating func reserve(
    _ delivery: UInt64,
    _ awaiting: InFlight.Awaiting,
    _ filterCount: UInt16,
    _ now: Instant
  ) -> UInt16? {
    let limit = Int(limits.maximumOutbound)
    var identifier: UInt16?
    whenConnected { connected in
      identifier = connected.exchange.session.outbound.reserve(
        delivery: delivery,
        awaiting: awaiting,
        filterCount: filterCount,
        limit: limit
      )
      if identifier != nil { connected.lastSent = now }
    }
    return identifier
  }

  /// Runs `body` if the connection stands.
  @inline(__always)
  private mutating func whenConnected(_ body: (inout Connected) -> Void) {
    let limits = limits
    switch consume state {
    case .connected(var connected):
      body(&connected)
      self = Self(limits, .connected(connected))
    case .awaitingConnack(let opening):
      self = Self(limits, .awaitingConnack(opening))
    case .closing(let reason, let session):
      self = Self(limits, .closing(reason, session))
    case .closed(let reason):
      self = Self(limits, .closed(reason))
    }
  }
}

extension ClientConnection.Connected {
  fileprivate mutating func timeout(
    _ limits: ClientLimits,
    _ now: Instant
  ) -> ClientTimeoutAction {
    guard let deadline, now >= deadline else { return .none }
    let timeout = UInt64(limits.pingTimeoutMilliseconds)
    if pingDeadline != nil {
      guard exchange.inbound.count >= Int(limits.maximumInbound) else {
        return .close(.pingTimeout)
      }
      pingDeadline = now.adding(milliseconds: timeout)
      return .none
    }
    pingDeadline = now.adding(milliseconds: timeout)
    lastSent = now
    return .send(.pingreq)
  }
}
