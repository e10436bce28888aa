public import ByteIO

/// A server's side of one MQTT 3.1.1 connection: order of packets, delivery protocols, time.
///
///     awaitingConnect ── CONNECT ──▶ authenticating ── accept ──▶ connected
///            │                             │ refuse                   │
///            └── fault, deadline ──▶ closing ◀── DISCONNECT, fault, deadline
///                                       └── linkLost ──▶ closed
///
/// In `awaitingConnect` the deadline of CONNECT runs, in `authenticating` the driver's own, in
/// `connected` the client's keep alive. `closing` means that the driver owes the closing of the
/// link; `linkLost` may come in any state, and tells once what is left: the will and the session.
///
/// Not its business: who the client is, what it may publish or subscribe to, where messages go, and
/// the bytes of messages. It owns no memory while a connection is idle and has nothing in flight.
public struct ServerConnection: ~Copyable {
  enum State: ~Copyable {
    case awaitingConnect(deadline: Instant)
    case authenticating(Authenticating)
    case connected(Connected)
    case closing(Closing)
    case closed(CloseReason)
  }

  struct Authenticating {
    let deadline: Instant
    let keepAliveSeconds: UInt16
    let cleanSession: Bool
  }

  struct Connected: ~Copyable {
    var exchange: Exchange
    var will: Will?
    var lastReceived: Instant
    /// Silence after which the client is gone; 0 meaning never.
    let silenceMilliseconds: UInt32
    let cleanSession: Bool
  }

  struct Closing {
    let reason: CloseReason
    var will: Will?
    var session: Session?
  }

  var state: State
  /// What this connection was granted.
  public let limits: ServerLimits

  /// Starts when the link stands.
  public init(limits: ServerLimits, now: Instant) {
    self.limits = limits
    let timeout = UInt64(limits.connectTimeoutMilliseconds)
    self.state = .awaitingConnect(deadline: now.adding(milliseconds: timeout))
  }

  /// The machine in another state; a state is taken out and replaced as a whole, so that a branch
  /// which forgets to do so does not compile.
  @inline(__always)
  init(_ limits: ServerLimits, _ state: consuming State) {
    self.limits = limits
    self.state = state
  }
}

extension ServerConnection {
  /// Whether the machine takes packets now; while it is false, the driver leaves bytes unread.
  ///
  /// False between CONNECT and the decision on it, while too many messages wait for their
  /// acknowledgement, and from the end on.
  public var isReceiving: Bool {
    switch state {
    case .awaitingConnect: true
    case .authenticating: false
    case .connected(let connected):
      connected.exchange.inbound.count < Int(limits.maximumInbound)
    case .closing: false
    case .closed: false
    }
  }

  /// Whether the connection stands, so that messages may be sent to the client.
  public var isConnected: Bool {
    switch state {
    case .connected: true
    case .awaitingConnect: false
    case .authenticating: false
    case .closing: false
    case .closed: false
    }
  }

  /// The largest packet that is taken now, in bytes: an argument for `PacketDecoder.next`.
  public var maximumPacketLength: Int {
    switch state {
    case .awaitingConnect: Int(limits.maximumConnectLength)
    case .authenticating: Int(limits.maximumConnectLength)
    case .connected: Int(limits.maximumPacketLength)
    case .closing: Int(limits.maximumPacketLength)
    case .closed: Int(limits.maximumPacketLength)
    }
  }

  /// When `timeout(now:)` is to be called, at the latest.
  ///
  /// Packets move it, without the driver having to move its timer: a call that comes early does
  /// nothing.
  public var nextDeadline: Instant? {
    switch state {
    case .awaitingConnect(let deadline): deadline
    case .authenticating(let waiting): waiting.deadline
    case .connected(let connected): connected.deadline
    case .closing: nil
    case .closed: nil
    }
  }

  /// Received messages that wait for their acknowledgement.
  public var unacknowledgedCount: Int {
    switch state {
    case .connected(let connected): connected.exchange.inbound.count
    case .awaitingConnect: 0
    case .authenticating: 0
    case .closing: 0
    case .closed: 0
    }
  }

  /// Messages sent and not settled by the client.
  public var inFlightCount: Int {
    switch state {
    case .connected(let connected): connected.exchange.session.inFlightCount
    case .awaitingConnect: 0
    case .authenticating: 0
    case .closing: 0
    case .closed: 0
    }
  }

  /// The message at `index` of `0..<inFlightCount`, oldest first, nil outside.
  ///
  /// Right after `accept` these are the ones of the former connection: send them again, PUBLISH with
  /// DUP or PUBREL as `awaiting` tells [MQTT-4.4.0-1].
  public func inFlight(at index: Int) -> InFlight? {
    switch state {
    case .connected(let connected):
      index >= 0 && index < connected.exchange.session.inFlightCount
        ? connected.exchange.session.inFlight(at: index) : nil
    case .awaitingConnect: nil
    case .authenticating: nil
    case .closing: nil
    case .closed: nil
    }
  }
}

extension ServerConnection.Connected {
  var deadline: Instant? {
    silenceMilliseconds == 0
      ? nil : lastReceived.adding(milliseconds: UInt64(silenceMilliseconds))
  }
}
