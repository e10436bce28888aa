import ByteIO
import HubContract
import HubEngine
import JSONTree
import Testing

@Suite("Delivery to an endpoint by request")
struct EndpointDeliveryTests {
  private typealias Message = EndpointDelivery.Message

  private static func machine(position: UInt64 = 10) -> EndpointDelivery {
    EndpointDelivery(position: position, timeToLiveSeconds: 60)
  }

  private static func messages(_ sequences: UInt64...) -> [EndpointDelivery.Message] {
    sequences.map { .init(sequence: $0, enqueuedTime: 1000) }
  }

  private static let start = Instant(nanoseconds: 0)

  @Test("what was found is sent, and passed when it is delivered")
  func delivery() {
    var machine = Self.machine()
    #expect(machine.found(Self.messages(10, 12), end: 15) == .send(count: 2))
    #expect(!machine.isIdle && machine.deadline == nil && machine.position == 10)
    #expect(machine.found(Self.messages(16), end: 17) == .none)
    #expect(machine.succeeded() == .checkpoint(15))
    #expect(machine.isIdle && machine.position == 15)
  }

  @Test("messages of others move the position without a request")
  func others() {
    var machine = Self.machine()
    #expect(machine.found([], end: 14) == .none)
    #expect(machine.isIdle && machine.position == 14)
    #expect(machine.found([], end: 13) == .none)
    #expect(machine.position == 14)
  }

  @Test("events that make no sense in a state change nothing")
  func ignored() {
    var machine = Self.machine()
    let failed = { (machine: inout EndpointDelivery) in
      machine.failed(.unavailable, now: Self.start, wallTime: 0, random: 0)
    }
    #expect(machine.succeeded() == .none && machine.deadLettered() == .none)
    #expect(failed(&machine) == .none && machine.timeout(now: Self.start) == .none)
    #expect(machine.deadLetterFailed(now: Self.start, random: 0) == .none)
    _ = machine.found(Self.messages(10), end: 11)
    #expect(machine.deadLettered() == .none && machine.timeout(now: Self.start) == .none)
    #expect(machine.deadLetterFailed(now: Self.start, random: 0) == .none)
    _ = failed(&machine)
    #expect(machine.succeeded() == .none && failed(&machine) == .none)
    #expect(machine.deadLettered() == .none && machine.found([], end: 20) == .none)
    #expect(machine.position == 10)
  }

  @Test(
    "an endpoint that does not answer is tried again, ever more seldom, without losing anything"
  )
  func backOff() {
    var machine = Self.machine()
    _ = machine.found(Self.messages(10, 11), end: 12)
    var now = Self.start
    var waits: [UInt64] = []
    for _ in 0..<12 {
      guard
        case .wait(let until) = machine.failed(.unavailable, now: now, wallTime: 1000, random: 0)
      else {
        Issue.record("no wait")
        return
      }
      #expect(machine.deadline == until)
      #expect(machine.timeout(now: Instant(nanoseconds: until.nanoseconds - 1)) == .none)
      waits.append(until.milliseconds(since: now) / 1000)
      now = until
      #expect(machine.timeout(now: now) == .send(count: 2))
    }
    #expect(waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300])
    #expect(machine.succeeded() == .checkpoint(12))
  }

  @Test("a refused request is halved until the message to blame is found, which is a dead letter")
  func rejection() {
    var machine = Self.machine()
    _ = machine.found(Self.messages(10, 11, 13, 14), end: 20)
    func reject() -> EndpointDelivery.FailedAction {
      machine.failed(.rejected, now: Self.start, wallTime: 1000, random: 0)
    }
    #expect(reject() == .send(count: 2))
    #expect(machine.succeeded() == .checkpoint(13))
    _ = machine.found(Self.messages(13, 14), end: 20)
    #expect(reject() == .send(count: 1))
    #expect(reject() == .deadLetter(sequence: 13, .rejected))
    #expect(machine.position == 13)
    // The dead letter can't be written: the message is kept.
    #expect(
      machine.deadLetterFailed(now: Self.start, random: 0)
        == .wait(until: Self.start.adding(milliseconds: 1000))
    )
    #expect(machine.timeout(now: Self.start.adding(milliseconds: 1000)) == .send(count: 1))
    #expect(reject() == .deadLetter(sequence: 13, .rejected))
    #expect(machine.deadLettered() == .checkpoint(14))
    #expect(machine.isIdle)
  }

  @Test("a message that is too old when sending it fails is a dead letter")
  func expiry() {
    func fail(at wallTime: UInt64) -> EndpointDelivery.FailedAction {
      var machine = Self.machine()
      _ = machine.found(Self.messages(10), end: 11)
      return machine.failed(.unavailable, now: Self.start, wallTime: wallTime, random: 0)
    }
    let wait = EndpointDelivery.FailedAction.wait(until: Self.start.adding(milliseconds: 1000))
    #expect(fail(at: 60_999) == wait)
    #expect(fail(at: 61_000) == .deadLetter(sequence: 10, .expired))
    // A clock that was set back makes nothing old.
    #expect(fail(at: 0) == wait)
  }

  @Test("waits stay within three quarters and the whole of their step, for any random bits")
  func jitter() {
    let policy = RetryPolicy()
    var generator = SeededGenerator(seed: 3)
    for attempt in [-1, 0, 1, 2, 9, 10, 64, Int.max] {
      let full = policy.delayMilliseconds(attempt: attempt, random: 0)
      for _ in 0..<100 {
        let delay = policy.delayMilliseconds(attempt: attempt, random: generator.next())
        #expect(delay <= full && delay >= full - full / 4)
      }
    }
    let huge = RetryPolicy(firstMilliseconds: .max, maximumMilliseconds: .max)
    #expect(huge.delayMilliseconds(attempt: 9, random: 0) == .max)
  }
}

@Suite("Health of an endpoint")
struct EndpointHealthTests {
  private static func at(_ second: Int64) -> Timestamp { Timestamp(seconds: second) }

  @Test("from unknown to healthy, degraded, unhealthy, dead, and back by one success")
  func states() {
    var health = EndpointHealth()
    #expect(health.status(now: Self.at(0)) == .unknown)
    health.attempted(now: Self.at(1))
    #expect(health.status(now: Self.at(1)) == .unknown)
    health.succeeded(now: Self.at(2))
    #expect(health.status(now: Self.at(900_000)) == .healthy)
    let statuses = (0..<4).map { second in
      health.failed("HTTP 503", now: Self.at(10 + Int64(second)))
      return health.status(now: Self.at(10 + Int64(second)))
    }
    #expect(statuses == [.degraded, .degraded, .unhealthy, .unhealthy])
    #expect(health.status(now: Self.at(10 + 86_399)) == .unhealthy)
    #expect(health.status(now: Self.at(10 + 86_400)) == .dead)
    health.succeeded(now: Self.at(90_000))
    #expect(health.status(now: Self.at(90_000)) == .healthy && health.failures == 0)
    #expect(
      health.json(endpoint: "hook", now: Self.at(90_000))
        == [
          "endpointId": "hook", "healthStatus": "healthy", "lastKnownError": "HTTP 503",
          "lastKnownErrorTime": "1970-01-01T00:00:13.0000000Z",
          "lastSendAttemptTime": "1970-01-01T00:00:01.0000000Z",
          "lastSuccessfulSendAttemptTime": "1970-01-02T01:00:00.0000000Z",
        ]
    )
  }

  @Test("an error's text is cut")
  func errorText() {
    var health = EndpointHealth()
    health.failed(String(repeating: "é", count: 10_000), now: Self.at(0))
    #expect(health.lastError?.count == EndpointHealth.errorCharacters)
  }
}
