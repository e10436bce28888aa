import ByteIO
import HubContract
import Testing

@Suite("Direct methods (contract §3.7, §7.6)")
struct MethodBrokerTests {
  private let key = IdentityKey(deviceID: "d")
  private let other = IdentityKey(deviceID: "d", moduleID: "m")

  private func at(_ seconds: UInt64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

  private func invoke(
    _ broker: inout MethodBroker,
    _ call: UInt64,
    to key: IdentityKey? = nil,
    response: Int = 30,
    connect: Int = 0,
    isReady: Bool = true,
    now: UInt64 = 0
  ) -> MethodBroker.InvokeAction {
    broker.invoke(
      call: call,
      key ?? self.key,
      name: "reboot",
      payload: [1],
      responseSeconds: response,
      connectSeconds: connect,
      isReady: isReady,
      now: at(now)
    )
  }

  private func requestID(_ action: MethodBroker.InvokeAction) -> [UInt8] {
    guard case .send(let delivery) = action else { return [] }
    return delivery.requestID
  }

  private func codes(_ results: [MethodResult]) -> [UInt64: HubErrorCode] {
    var codes: [UInt64: HubErrorCode] = [:]
    for result in results {
      if case .failed(let error) = result.outcome { codes[result.call] = error.code }
    }
    return codes
  }

  @Test("to a ready client it is sent at once, and the answer goes to the caller once")
  func answered() {
    var broker = MethodBroker()
    let action = invoke(&broker, 7)
    #expect(
      action
        == .send(
          MethodDelivery(key: key, requestID: [UInt8]("1".utf8), name: "reboot", payload: [1])
        )
    )
    let id = requestID(action)
    #expect(broker.answered(requestID: id, by: other, status: 200, body: []) == nil)
    #expect(
      broker.answered(requestID: id, by: key, status: 404, body: [2])
        == MethodResult(call: 7, outcome: .answered(status: 404, body: [2]))
    )
    #expect(broker.answered(requestID: id, by: key, status: 200, body: []) == nil)
    #expect(broker.count == 0)
    #expect(broker.nextDeadline == nil)
  }

  @Test("unknown, padded and malformed request IDs are dropped")
  func unknownIDs() {
    var broker = MethodBroker()
    _ = invoke(&broker, 1)
    for id in ["2", "01", "", "-1", "zz", "\u{0}", "ffffffffffffffffffff"] {
      #expect(
        broker.answered(requestID: [UInt8](id.utf8), by: key, status: 200, body: []) == nil
      )
    }
    #expect(broker.count == 1)
  }

  @Test("offline without a connect timeout: 404103 at once")
  func offline() {
    var broker = MethodBroker()
    guard case .fail(let error) = invoke(&broker, 1, isReady: false) else {
      Issue.record("not refused")
      return
    }
    #expect(error.code == .deviceNotOnline)
    #expect(broker.count == 0)
  }

  @Test("offline with a connect timeout it waits: sent in order when the client subscribes")
  func waiting() {
    var broker = MethodBroker()
    for call in 1...3 as ClosedRange<UInt64> {
      #expect(invoke(&broker, call, connect: 10, isReady: false) == .wait)
    }
    let deliveries = broker.subscribed(key)
    #expect(deliveries.map(\.requestID) == ["1", "2", "3"].map { [UInt8]($0.utf8) })
    #expect(broker.subscribed(key).isEmpty, "never sent twice")
    // The response timeout counts from the start, the connect timeout is over.
    #expect(broker.timeout(now: at(10)).isEmpty)
    #expect(
      codes(broker.timeout(now: at(30))) == [
        1: .gatewayTimeout, 2: .gatewayTimeout, 3: .gatewayTimeout,
      ]
    )
  }

  @Test("the connect timeout answers 404103, the response timeout 504101")
  func timeouts() {
    var broker = MethodBroker()
    _ = invoke(&broker, 1, response: 20, connect: 5, isReady: false)
    _ = invoke(&broker, 2, response: 8)
    #expect(broker.nextDeadline == at(5))
    #expect(broker.timeout(now: Instant(nanoseconds: at(5).nanoseconds - 1)).isEmpty)
    #expect(codes(broker.timeout(now: at(5))) == [1: .deviceNotOnline])
    #expect(broker.nextDeadline == at(8))
    #expect(codes(broker.timeout(now: at(8))) == [2: .gatewayTimeout])
    #expect(broker.timeout(now: at(1000)).isEmpty)
  }

  @Test("a lost connection fails what was sent; what waits keeps waiting")
  func lost() {
    var broker = MethodBroker()
    _ = invoke(&broker, 1)
    _ = invoke(&broker, 2, connect: 10, isReady: false)
    _ = invoke(&broker, 3, to: other)
    #expect(codes(broker.connectionLost(key)) == [1: .deviceNotOnline])
    #expect(broker.subscribed(key).count == 1)
    #expect(broker.count == 2)
    #expect(codes(broker.identityGone(key)) == [2: .deviceNotOnline])
    #expect(codes(broker.identityGone(other)) == [3: .deviceNotOnline])
  }

  @Test("what could not be delivered fails at once, or waits on for its connect timeout")
  func undelivered() {
    var broker = MethodBroker()
    guard case .send(let first) = invoke(&broker, 1),
      case .send(let second) = invoke(&broker, 2, connect: 10),
      case .send(let third) = invoke(&broker, 3)
    else {
      Issue.record("not sent")
      return
    }
    #expect(
      codes([broker.undelivered(first, now: at(0))].compactMap(\.self)) == [1: .deviceNotOnline]
    )
    #expect(broker.undelivered(first, now: at(0)) == nil, "it has ended")
    #expect(broker.undelivered(second, now: at(1)) == nil)
    #expect(broker.count == 2)
    #expect(
      broker.answered(requestID: second.requestID, by: key, status: 200, body: []) == nil,
      "nobody can answer what nobody got"
    )
    #expect(broker.subscribed(key) == [second], "the other one is on its way")
    #expect(broker.undelivered(second, now: at(2)) == nil)
    #expect(codes(broker.timeout(now: at(10))) == [2: .deviceNotOnline])
    #expect(
      broker.answered(requestID: third.requestID, by: key, status: 200, body: [])?.call == 3
    )
    #expect(broker.undelivered(third, now: at(11)) == nil)
  }

  @Test("an answer after the time-out is dropped, and request IDs are never used again")
  func late() {
    var broker = MethodBroker()
    let first = requestID(invoke(&broker, 1, response: 5))
    _ = broker.timeout(now: at(5))
    #expect(broker.answered(requestID: first, by: key, status: 200, body: []) == nil)
    #expect(requestID(invoke(&broker, 2)) != first)
  }

  @Test("limits in total and for one client: 429001")
  func limits() {
    var limits = MethodBroker.Limits()
    limits.total = 3
    limits.perIdentity = 2
    var broker = MethodBroker(limits: limits)
    _ = invoke(&broker, 1)
    _ = invoke(&broker, 2)
    for (call, key) in [(3, key), (5, IdentityKey(deviceID: "x"))] as [(UInt64, IdentityKey)] {
      guard case .fail(let error) = invoke(&broker, call, to: key) else {
        Issue.record("not refused")
        return
      }
      #expect(error.code == .throttlingException)
      _ = invoke(&broker, 4, to: other)
    }
    broker.abandoned(call: 1, of: key)
    #expect(broker.count == 2)
  }

  @Test("a thousand deadlines come out in order")
  func order() {
    var generator = SeededGenerator(seed: 1)
    var broker = MethodBroker()
    var expected: [UInt64: UInt64] = [:]
    for call in 0..<1000 as Range<UInt64> {
      let seconds = Int.random(in: 5...300, using: &generator)
      expected[call] = UInt64(seconds)
      _ = invoke(&broker, call, to: IdentityKey(deviceID: "d\(call)"), response: seconds)
    }
    var ended = 0
    while let next = broker.nextDeadline {
      for result in broker.timeout(now: next) {
        ended += 1
        #expect(at(expected[result.call] ?? 0) == next)
      }
    }
    #expect(ended == 1000)
  }
}
