import Endpoints
import HubContract
import Logging
import NIOCore
import Platform
import Testing

/// Owns an uplink as an edge's hub does.
///
/// Keeps messages until they are acknowledged, sends those that were not again, answers methods, and
/// writes down what it is told. Confined to the loop.
final class UplinkOwner: UplinkDelegate {
  let uplink: Uplink
  private(set) var connections = 0
  private(set) var losses: [String] = []
  private(set) var isMultiplexing = false
  private(set) var dropped: [IdentityKey] = []
  private(set) var unfollowed: [String] = []
  private(set) var desired: [String] = []
  private(set) var methods: [String] = []
  private(set) var messages: [UplinkMessage] = []
  /// Messages to send, in their order; the number of each is its place.
  private var queue: [(child: IdentityKey, body: String)] = []
  private var next = 0
  private(set) var acknowledged = 0
  private(set) var sendings = 0
  var bag: [UInt8] = []
  var id: EdgeMessageID?

  init(
    _ settings: UplinkSettings,
    on eventLoop: any EventLoop,
    credential: @escaping @Sendable () async throws -> UplinkCredential
  ) {
    uplink = Uplink(
      settings,
      on: eventLoop,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      credential: credential
    )
    uplink.delegate = self
  }

  /// Queues messages and sends what there is room for.
  func enqueue(_ messages: [(child: IdentityKey, body: String)]) {
    queue += messages
    pump()
  }

  private func pump() {
    while next < queue.count {
      let message = queue[next]
      let body = Array(message.body.utf8)
      guard
        uplink.send(
          for: message.child,
          bag: bag.span,
          body: body.span,
          id: id,
          delivery: UInt64(next)
        ) == .taken
      else { return }
      next += 1
      sendings += 1
    }
  }

  func uplinkConnected(isMultiplexing: Bool) {
    connections += 1
    self.isMultiplexing = isMultiplexing
    next = acknowledged
  }

  func uplinkLost(_ fault: ClientFault?) { losses.append(fault.map { "\($0)" } ?? "intended") }

  func uplinkAcknowledged(_ deliveries: Span<UInt64>) {
    for index in deliveries.indices {
      #expect(deliveries[index] == UInt64(acknowledged), "acknowledged in order")
      acknowledged += 1
    }
  }

  func uplinkHasRoom() { pump() }
  func uplinkDropped(for child: IdentityKey) { dropped.append(child) }

  func uplinkUnfollowed(_ identity: IdentityKey, reason: String) {
    unfollowed.append("\(identity) \(reason)")
  }

  func uplinkDesired(of identity: IdentityKey, version: Int64?, patch: [UInt8]) {
    desired.append("\(identity) \(version ?? 0) \(String(decoding: patch, as: UTF8.self))")
  }

  func uplinkMethod(_ method: UplinkMethod) {
    let payload = String(decoding: method.payload, as: UTF8.self)
    methods.append("\(method.identity) \(method.name) \(payload)")
    uplink.answer(method, status: 201, body: Array(#""\#(method.identity)""#.utf8))
  }

  func uplinkMessage(_ message: UplinkMessage) { messages.append(message) }

  /// The owner for tasks.
  struct Bound: Sendable {
    private let owner: NIOLoopBound<UplinkOwner>
    private let eventLoop: any EventLoop

    init(_ owner: UplinkOwner, _ eventLoop: any EventLoop) {
      self.owner = NIOLoopBound(owner, eventLoop: eventLoop)
      self.eventLoop = eventLoop
    }

    /// What `body` says of the owner, on its loop.
    func ask<Value: Sendable>(
      _ body: @escaping @Sendable (UplinkOwner) -> Value
    ) async throws -> Value {
      let owner = owner
      return try await eventLoop.submit { body(owner.value) }.get()
    }

    /// Asks every 10 ms, for 20 s at most.
    func until(
      _ what: Comment,
      at location: SourceLocation = #_sourceLocation,
      _ isDone: @escaping @Sendable (UplinkOwner) -> Bool
    ) async throws {
      for _ in 0..<2_000 {
        if try await ask(isDone) { return }
        try await Pause.sleep(for: .milliseconds(10))
      }
      Issue.record(what, sourceLocation: location)
    }

    /// The answer to a request about a twin.
    func reply(
      _ request:
        @escaping @Sendable (
          Uplink, @escaping (Result<TwinReply, UplinkFault>) -> Void
        ) -> Void
    ) async throws -> Result<TwinReply, UplinkFault> {
      let promise = eventLoop.makePromise(of: Result<TwinReply, UplinkFault>.self)
      try await ask { owner in request(owner.uplink) { promise.succeed($0) } }
      return try await promise.futureResult.get()
    }
  }
}
