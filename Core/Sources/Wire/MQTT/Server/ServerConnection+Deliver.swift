public import ByteIO

extension ServerConnection {
  /// A received message is safe: appends its PUBACK or PUBREC and those it held up.
  ///
  /// Answers leave in the order in which the messages came [MQTT-4.6.0-2]: while an older message
  /// waits, nothing is written. After the end it is ignored, because the completion of a write may
  /// well come late. An identifier that does not wait is misuse.
  @inlinable
  public mutating func acknowledge(
    _ packetIdentifier: UInt16,
    to sink: inout some ByteSink
  ) -> AcknowledgeAction {
    guard acknowledged(packetIdentifier) else { return .close(.misuse) }
    return writeAnswers(to: &sink)
  }

  /// The `count` oldest received messages that wait are safe: appends their PUBACKs and PUBRECs.
  ///
  /// For drivers whose messages become safe in order: they need not remember identifiers. After the
  /// end it is ignored; more than wait is misuse.
  @inlinable
  public mutating func acknowledgeNext(
    _ count: Int = 1,
    to sink: inout some ByteSink
  ) -> AcknowledgeAction {
    guard acknowledgedOldest(count) else { return .close(.misuse) }
    return writeAnswers(to: &sink)
  }

  @inlinable
  mutating func writeAnswers(to sink: inout some ByteSink) -> AcknowledgeAction {
    var written = 0
    while true {
      let answers = nextAnswers()
      for index in 0..<answers.count { sink.uint32(answers.packets[index]) }
      written += answers.count
      if !answers.isFull { return .written(written) }
    }
  }

  /// Takes a packet identifier for a message of QoS 1 or 2 to the client, which the owner knows as
  /// `delivery`.
  ///
  /// Returns nil when the outbound window is full, until an `acknowledged` comes, and when the
  /// connection does not stand. QoS 0 needs no identifier and must not be asked for.
  public mutating func reserve(delivery: UInt64, qos: QoS = .atLeastOnce) -> UInt16? {
    let limit = Int(limits.maximumOutbound)
    var identifier: UInt16?
    ifConnected { exchange in
      identifier = exchange.session.outbound.reserve(
        delivery: delivery,
        awaiting: qos == .exactlyOnce ? .pubrec : .puback,
        limit: limit
      )
    }
    return identifier
  }
}

extension ServerConnection {
  @usableFromInline
  mutating func acknowledged(_ packetIdentifier: UInt16) -> Bool {
    onceConnected { $0.inbound.acknowledge(packetIdentifier) }
  }

  @usableFromInline
  mutating func acknowledgedOldest(_ count: Int) -> Bool {
    onceConnected { $0.inbound.acknowledgeOldest(count) }
  }

  @usableFromInline
  mutating func nextAnswers() -> Answers {
    var answers = Answers()
    ifConnected { answers = $0.nextAnswers() }
    return answers
  }

  /// Runs `body` if the connection stands.
  @inline(__always)
  private mutating func ifConnected(_ body: (inout Exchange) -> Void) {
    let limits = limits
    switch consume state {
    case .connected(var connected):
      body(&connected.exchange)
      self = Self(limits, .connected(connected))
    case .awaitingConnect(let deadline):
      self = Self(limits, .awaitingConnect(deadline: deadline))
    case .authenticating(let waiting):
      self = Self(limits, .authenticating(waiting))
    case .closing(let closing):
      self = Self(limits, .closing(closing))
    case .closed(let reason):
      self = Self(limits, .closed(reason))
    }
  }

  /// Runs `body` on a connection that must have stood; true without it after the end, false on misuse.
  @inline(__always)
  private mutating func onceConnected(_ body: (inout Exchange) -> Bool) -> Bool {
    let limits = limits
    switch consume state {
    case .connected(var connected):
      guard body(&connected.exchange) else {
        assertionFailure("acknowledged a message that does not wait")
        self = Self(limits, .closing(connected.closing(.misuse)))
        return false
      }
      self = Self(limits, .connected(connected))
      return true
    case .awaitingConnect:
      assertionFailure("acknowledged a message before the connection stood")
      self = Self(limits, .closing(Closing(reason: .misuse)))
      return false
    case .authenticating:
      assertionFailure("acknowledged a message before the connection stood")
      self = Self(limits, .closing(Closing(reason: .misuse)))
      return false
    case .closing(let closing):
      self = Self(limits, .closing(closing))
      return true
    case .closed(let reason):
      self = Self(limits, .closed(reason))
      return true
    }
  }
}
