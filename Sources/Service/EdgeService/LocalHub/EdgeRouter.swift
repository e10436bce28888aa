import ByteIO
import EdgeEngine
import Endpoints
import HubContract
import Platform
import QueryLanguage
import Synchronization

/// Decides where messages at this edge go, on whatever thread they come.
final class EdgeRouter: TelemetryRouter, Sendable {
  /// What one thread at a time routes with.
  private struct Routing {
    var routing: RouteTable.Routing
    var cache: DeliveryCache
    var receipts = ReceiptFigures()
  }

  /// One is free mostly: as many as threads that route at the same time.
  private let stripes: [Stripe]
  private let deviceID: String

  private final class Stripe: Sendable {
    let state: Mutex<Routing>
    init(_ routing: consuming Routing) { state = Mutex(routing) }
  }

  /// A router without routes: nothing goes anywhere until `use`.
  init(deviceID: String, width: Int = 8) {
    self.deviceID = deviceID
    stripes = (0..<width).map { _ in
      let table = RouteTable([], timeToLive: .forever)
      return Stripe(
        Routing(routing: table.makeRouting(), cache: DeliveryCache(table, endpoints: []))
      )
    }
  }

  /// Routes by `table` from now on; `endpoints` are the store's numbers of its endpoints.
  func use(_ table: RouteTable, endpoints: [UInt16]) {
    for stripe in stripes {
      stripe.state.withLock { state in
        state.routing = table.makeRouting()
        state.cache = DeliveryCache(table, endpoints: endpoints)
      }
    }
  }

  /// What is known of the messages that came.
  func samples(now: Instant) -> [MetricSample] {
    ReceiptFigures.samples(stripes.map { $0.state.withLock(\.receipts) }, now: now)
  }

  /// The name of an endpoint's queue (edge contract section 7).
  func name(of sink: RouteStatement.Sink) -> String {
    switch sink {
    case .upstream: StoreService.Store.upstream
    case .module(let module, let input): "\(deviceID)/\(module)/\(input)"
    }
  }

  func route(
    _ stamp: EventStamp,
    flags: EventFlags,
    bag: Span<UInt8>,
    body: Span<UInt8>
  ) -> EventRouting {
    decide(source(of: stamp, bag: bag), stamp.identity, bag: bag, body: body, isReceived: true)
  }

  /// Decides for a message, which counts as one that a client sent if it `isReceived`.
  func decide(
    _ source: MessageSource,
    _ sender: IdentityKey,
    bag: Span<UInt8>,
    body: Span<UInt8>,
    isReceived: Bool = false
  ) -> EventRouting {
    let message = EdgeMessage(
      source: source,
      sender: sender,
      enqueuedTime: Timestamp(ticks: SystemClock.wallTicks()),
      messageID: "",
      bag: bag,
      body: body
    )
    var output = ""
    if case .output(let name, _) = source { output = name }
    let origin = MessageSender(sender, output: output)
    let now = SystemClock.now()
    func route(_ state: inout Routing) -> EventRouting {
      state.routing.route(message, from: source)
      let isDropped = state.routing.deliveries.isEmpty
      if isReceived {
        state.receipts.received(origin, byteCount: body.count, isDropped: isDropped, now: now)
      } else if isDropped {
        state.receipts.dropped(origin)
      }
      return state.cache.routing(state.routing.deliveries)
    }
    for stripe in stripes {
      if let decided = stripe.state.withLockIfAvailable({ route(&$0) }) { return decided }
    }
    return stripes[0].state.withLock { route(&$0) }
  }

  private func source(of stamp: EventStamp, bag: Span<UInt8>) -> MessageSource {
    guard let module = stamp.identity.moduleID else { return .device }
    guard let output = PropertyBag(bag).value(of: .outputName) else { return .module(module) }
    return .output(output, module: module)
  }
}
