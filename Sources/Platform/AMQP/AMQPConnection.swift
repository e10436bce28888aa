package import AMQPCodec
package import ByteIO
import CProton

/// One AMQP 1.0 connection: bytes in, events out; events in, bytes out.
///
/// Sans-IO: the driver brings bytes, time and decisions, and takes events and bytes. The rules of
/// connections, sessions, links and flow are Qpid Proton's engine's, which this owns and frees. Around
/// it are our own SASL layer, a look at the frames on their way in (`InboundFrames`) and their
/// completion on their way out (`OutboundFrames`).
///
/// Phases: SASL → (judging →) engine → over. Not the business of this: what an address means, who
/// may do what, and when to send.
///
/// Confined to where it was made; nothing in it may be used by two threads at a time.
package struct AMQPConnection: ~Copyable {
  enum Phase {
    case server
    case client
    case engine
    case over
  }

  struct Link {
    let link: OpaquePointer
    let isSender: Bool
    /// Messages that may be under way to us: credit and those that aren't done with together.
    var window: Int32 = 0
    /// Bytes of a message on it at most.
    var messageBytes: Int
    /// Messages that are unsettled, or came settled and aren't done with.
    var unsettledCount: Int32 = 0
    var isDetaching = false
  }

  struct Delivery {
    /// The engine's; nil for one that came settled, which the engine has forgotten.
    let delivery: OpaquePointer?
    let link: LinkID
  }

  let limits: AMQPConnectionLimits
  /// What every error that goes out has in its map, so that both sides' logs can be laid together.
  let trackingID: String?
  let transport: OpaquePointer
  let connection: OpaquePointer
  let collector: OpaquePointer
  var phase: Phase
  var server: SASLServer
  var client: SASLClient
  var inbound: InboundFrames
  var outbound = OutboundFrames()
  var inbox: [UInt8] = []
  /// Whether the peer's bytes are still looked at.
  var takesInput = true
  var saslOutput: [UInt8] = []

  var links: [LinkID: Link] = [:]
  var deliveries: [DeliveryID: Delivery] = [:]
  var sessionCount = 0
  var defaultSession: OpaquePointer?
  var capabilities: [(name: String, desired: [String])] = []
  var batchTags: Set<[UInt8]> = []
  var lastNumber: UInt = 0
  /// The last delivery tag of what is sent settled.
  var lastTag: UInt64 = 0
  var events: [AMQPEvent] = []
  var hasClosed = false

  /// Creates the server's side of a stream that a client opens.
  ///
  /// - Parameters:
  ///   - containerID: The name that the open gives.
  ///   - mechanisms: The SASL mechanisms to offer.
  ///   - trackingID: What errors carry as `com.microsoft:tracking-id`.
  ///   - limits: What the client may ask for.
  package init(
    containerID: String,
    mechanisms: [String] = ["ANONYMOUS", "EXTERNAL", "PLAIN", "MSSBCBS"],
    trackingID: String? = nil,
    limits: AMQPConnectionLimits = AMQPConnectionLimits()
  ) {
    self.init(.server, containerID, mechanisms, SASLInit(mechanism: ""), trackingID, limits)
    pn_transport_set_server(transport)
    bind()
  }

  /// Creates the client's side of a stream, and opens it.
  ///
  /// - Parameters:
  ///   - containerID: The name that the open gives.
  ///   - hostname: The host that it asks for.
  ///   - authentication: What it says to the SASL layer.
  ///   - limits: What the server may ask for.
  package init(
    containerID: String,
    hostname: String,
    authentication: SASLInit,
    limits: AMQPConnectionLimits = AMQPConnectionLimits()
  ) {
    self.init(.client, containerID, [], authentication, nil, limits)
    pn_connection_set_hostname(connection, hostname)
    bind()
    pn_connection_open(connection)
    let session = pn_session(connection)
    defaultSession = session
    pn_session_set_incoming_capacity(session, limits.sessionBytes)
    pn_session_open(session)
  }

  private init(
    _ phase: Phase,
    _ containerID: String,
    _ mechanisms: [String],
    _ authentication: SASLInit,
    _ trackingID: String?,
    _ limits: AMQPConnectionLimits
  ) {
    // The engine answers nil only when memory has run out, which ends any Swift program.
    guard let transport = pn_transport(), let connection = pn_connection(),
      let collector = pn_collector()
    else { preconditionFailure("no memory for an AMQP connection") }
    self.phase = phase
    self.limits = limits
    self.trackingID = trackingID
    self.transport = transport
    self.connection = connection
    self.collector = collector
    server = SASLServer(mechanisms: mechanisms)
    client = SASLClient(authentication)
    inbound = InboundFrames(frameLimit: Int(limits.frameBytes))
    pn_connection_set_container(connection, containerID)
  }

  private func bind() {
    // What the engine has to say comes as conditions; its own log would go to standard error, and
    // its masks don't silence warnings.
    pn_logger_set_log_sink(pn_transport_logger(transport), { _, _, _, _ in }, 0)
    pn_connection_collect(connection, collector)
    pn_transport_set_max_frame(transport, limits.frameBytes)
    pn_transport_set_channel_max(transport, max(1, limits.sessions) - 1)
    pn_transport_set_idle_timeout(transport, limits.idleMilliseconds)
    pn_transport_bind(transport, connection)
  }

  deinit {
    pn_transport_unbind(transport)
    pn_transport_free(transport)
    pn_collector_release(collector)
    pn_connection_free(connection)
    pn_collector_free(collector)
  }

  // MARK: Events, bytes and time

  /// The next event, in order.
  package mutating func nextEvents() -> [AMQPEvent] {
    collect()
    defer { events = [] }
    return events
  }

  /// Appends what there is to send, until about `limit` bytes are there.
  package mutating func write(to sink: inout some ByteSink, limit: Int = .max) {
    switch phase {
    case .server: saslOutput += server.takeOutput()
    case .client: saslOutput += client.takeOutput()
    case .engine, .over: break
    }
    if !saslOutput.isEmpty {
      sink.append(saslOutput)
      saslOutput = []
    }
    guard phase == .engine else { return }
    var written = 0
    while written < limit {
      let pending = pn_transport_pending(transport)
      guard pending > 0, let head = pn_transport_head(transport) else { return }
      let bytes = UnsafeRawBufferPointer(start: head, count: pending)
      outbound.complete(bytes.bindMemory(to: UInt8.self).span, to: &sink)
      pn_transport_pop(transport, pending)
      written += pending
    }
  }

  /// Lays down what there is to send so far, so that nothing that follows overtakes it: the engine
  /// sends dispositions behind the messages of the same turn.
  package mutating func encode() {
    if phase == .engine { _ = pn_transport_pending(transport) }
  }

  /// Whether all was said: the driver sends what it has, and closes the stream.
  package var isOver: Bool {
    switch phase {
    case .over: true
    case .engine: pn_transport_pending(transport) < 0
    case .server, .client: false
    }
  }

  /// Tells the time, in milliseconds since any fixed moment after 0.
  ///
  /// Answers when to tell it again at the latest, nil for never: the peer's and our own idle
  /// time-outs depend on it.
  package mutating func tick(now: UInt64) -> UInt64? {
    guard phase == .engine else { return nil }
    let next = pn_transport_tick(transport, Int64(clamping: now))
    return next > 0 ? UInt64(next) : nil
  }

  /// Ends the connection, with what went wrong, if anything did.
  package mutating func close(_ error: AMQPError? = nil) {
    guard phase == .engine else {
      phase = .over
      return
    }
    if let error { ProtonData.set(pn_connection_condition(connection), error) }
    pn_connection_close(connection)
  }

  /// The stream has ended.
  package mutating func streamEnded() {
    if phase == .engine {
      pn_transport_close_tail(transport)
      pn_transport_close_head(transport)
      collect()
    }
    phase = .over
    finish(nil)
  }

  /// The client's credentials are good, or not.
  package mutating func judged(isAccepted: Bool) {
    guard phase == .server else { return }
    server.judged(isAccepted: isAccepted)
    saslOutput += server.takeOutput()
    if !isAccepted {
      phase = .over
      finish(nil)
      return
    }
    process()
  }

  mutating func makeNumber() -> UInt {
    lastNumber += 1
    return lastNumber
  }

  /// Tells the end once.
  mutating func finish(_ error: AMQPError?) {
    guard !hasClosed else { return }
    hasClosed = true
    events.append(.closed(error))
  }
}
