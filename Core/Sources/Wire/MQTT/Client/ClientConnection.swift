public import ByteIO

/// A client's side of one MQTT 3.1.1 connection: order of packets, delivery protocols, time.
///
///     awaitingConnack ── CONNACK 0 ──▶ connected
///            │                             │
///            └── CONNACK 1…5, fault, ──▶ closing ◀── disconnect, fault, deadline
///                deadline                  └── linkLost ──▶ closed
///
/// It begins with the CONNECT, when the link stands. In `awaitingConnack` the deadline of CONNACK
/// runs; in `connected` the keep alive, which asks for a PINGREQ, and then the deadline of its answer.
/// `closing` means that the driver owes the closing of the link; `linkLost` may come in any state and
/// gives back the session, with which the next connection goes on.
///
/// Not its business: when to reconnect, the messages themselves, and which subscriptions there are.
public struct ClientConnection: ~Copyable {
  enum State: ~Copyable {
    case awaitingConnack(Opening)
    case connected(Connected)
    case closing(CloseReason, Session?)
    case closed(CloseReason)
  }

  struct Opening: ~Copyable {
    var session: Session
    let deadline: Instant
    let keepAliveSeconds: UInt16
    let cleanSession: Bool
  }

  struct Connected: ~Copyable {
    var exchange: Exchange
    var lastSent: Instant
    /// When a PINGREQ counts as unanswered; nil while none is out.
    var pingDeadline: Instant?
    let keepAliveSeconds: UInt16
    let cleanSession: Bool
  }

  var state: State
  /// What the server is granted.
  public let limits: ClientLimits

  /// Starts when the link stands: appends the CONNECT.
  ///
  /// `session` is the one that the last connection gave back; it is dropped if the request asks for
  /// a clean one. Throws what `PacketEncoder.connect` throws.
  @inlinable
  public init(
    _ request: ConnectRequest,
    session: consuming Session? = nil,
    limits: ClientLimits = ClientLimits(),
    now: Instant,
    to sink: inout some ByteSink
  ) throws(MQTTFault) {
    try PacketEncoder.connect(request, to: &sink)
    self.init(request.cleanSession, request.keepAliveSeconds, session, limits, now)
  }

  @usableFromInline
  init(
    _ cleanSession: Bool,
    _ keepAliveSeconds: UInt16,
    _ session: consuming Session?,
    _ limits: ClientLimits,
    _ now: Instant
  ) {
    let timeout = UInt64(limits.connackTimeoutMilliseconds)
    self.limits = limits
    self.state = .awaitingConnack(
      Opening(
        session: cleanSession ? Session() : session ?? Session(),
        deadline: now.adding(milliseconds: timeout),
        keepAliveSeconds: keepAliveSeconds,
        cleanSession: cleanSession
      )
    )
  }

  /// The machine in another state; see `ServerConnection`.
  @inline(__always)
  init(_ limits: ClientLimits, _ state: consuming State) {
    self.limits = limits
    self.state = state
  }
}

extension ClientConnection {
  /// Whether the machine takes packets now; while it is false, the driver leaves bytes unread.
  public var isReceiving: Bool {
    switch state {
    case .awaitingConnack: true
    case .connected(let connected):
      connected.exchange.inbound.count < Int(limits.maximumInbound)
    case .closing: false
    case .closed: false
    }
  }

  /// Whether the connection stands, so that messages may be sent.
  public var isConnected: Bool {
    switch state {
    case .connected: true
    case .awaitingConnack: false
    case .closing: false
    case .closed: false
    }
  }

  /// When `timeout(now:)` is to be called, at the latest; a call that comes early does nothing.
  public var nextDeadline: Instant? {
    switch state {
    case .awaitingConnack(let opening): opening.deadline
    case .connected(let connected): connected.deadline
    case .closing: nil
    case .closed: nil
    }
  }

  /// Messages and requests sent and not settled by the server.
  public var inFlightCount: Int {
    switch state {
    case .awaitingConnack(let opening): opening.session.inFlightCount
    case .connected(let connected): connected.exchange.session.inFlightCount
    case .closing: 0
    case .closed: 0
    }
  }

  /// What is in flight at `index` of `0..<inFlightCount`, oldest first, nil outside.
  ///
  /// Right after `connected` these are the messages of the former connection: send them again,
  /// PUBLISH with DUP or PUBREL as `awaiting` tells [MQTT-4.4.0-1].
  public func inFlight(at index: Int) -> InFlight? {
    guard index >= 0, index < inFlightCount else { return nil }
    return switch state {
    case .awaitingConnack(let opening): opening.session.inFlight(at: index)
    case .connected(let connected): connected.exchange.session.inFlight(at: index)
    case .closing: nil
    case .closed: nil
    }
  }
}

extension ClientConnection.Connected {
  /// The answer to a PINGREQ, or else the time for one: after three quarters of the keep alive
  /// without a packet of ours, so that a late timer still keeps the promise [MQTT-3.1.2-23].
  var deadline: Instant? {
    if let pingDeadline { return pingDeadline }
    guard keepAliveSeconds > 0 else { return nil }
    return lastSent.adding(milliseconds: UInt64(keepAliveSeconds) * 750)
  }

  consuming func ending() -> Session? {
    guard !cleanSession else { return nil }
    exchange.session.outbound.removeRequests()
    return exchange.session
  }
}
