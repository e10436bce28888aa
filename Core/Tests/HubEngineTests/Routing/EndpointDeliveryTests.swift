import ByteIO
import HubEngine
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

  private static func find(
    _ messages: [EndpointDelivery.Message],
    end: UInt64,
    now: Instant = start,
    wallTime: UInt64 = 1000,
    in machine: inout EndpointDelivery
  ) -> EndpointDelivery.NextAction {
    machine.found(messages, end: end, now: now, wallTime: wallTime)
  }

  @Test("what was found is sent, and passed when it is delivered")
  func delivery() {
    var machine = Self.machine()
    #expect(Self.find(Self.messages(10, 12), end: 15, in: &machine) == .send(count: 2))
    #expect(!machine.isIdle && machine.deadline == nil && machine.position == 10)
    #expect(Self.find(Self.messages(16), end: 17, in: &machine) == .none)
    #expect(machine.succeeded() == .checkpoint(15))
    #expect(machine.isIdle && machine.position == 15)
  }

  @Test("messages of others move the position without a request")
  func others() {
    var machine = Self.machine()
    #expect(Self.find([], end: 14, in: &machine) == .none)
    #expect(machine.isIdle && machine.position == 14)
    #expect(Self.find([], end: 13, in: &machine) == .none)
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
    _ = Self.find(Self.messages(10), end: 11, in: &machine)
    #expect(machine.deadLettered() == .none && machine.timeout(now: Self.start) == .none)
    #expect(machine.deadLetterFailed(now: Self.start, random: 0) == .none)
    _ = failed(&machine)
    #expect(machine.succeeded() == .none && failed(&machine) == .none)
    #expect(machine.deadLettered() == .none && Self.find([], end: 20, in: &machine) == .none)
    #expect(machine.position == 10)
  }

  @Test(
    "an endpoint that does not answer is tried again, ever more seldom, without losing anything"
  )
  func backOff() {
    var machine = Self.machine()
    _ = Self.find(Self.messages(10, 11), end: 12, in: &machine)
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
    _ = Self.find(Self.messages(10, 11, 13, 14), end: 20, in: &machine)
    func reject() -> EndpointDelivery.NextAction {
      machine.failed(.rejected, now: Self.start, wallTime: 1000, random: 0)
    }
    #expect(reject() == .send(count: 2))
    #expect(machine.succeeded() == .checkpoint(13))
    _ = Self.find(Self.messages(13, 14), end: 20, in: &machine)
    #expect(reject() == .send(count: 1))
    #expect(reject() == .deadLetter(count: 1, .rejected))
    #expect(machine.position == 13)
    // The dead letter can't be written: the message is kept.
    #expect(
      machine.deadLetterFailed(now: Self.start, random: 0)
        == .wait(until: Self.start.adding(milliseconds: 1000))
    )
    #expect(machine.timeout(now: Self.start.adding(milliseconds: 1000)) == .send(count: 1))
    #expect(reject() == .deadLetter(count: 1, .rejected))
    #expect(machine.deadLettered() == .checkpoint(14))
    #expect(machine.isIdle)
  }

  @Test("a message that is too old when sending it fails is a dead letter")
  func expiry() {
    func fail(at wallTime: UInt64) -> EndpointDelivery.NextAction {
      var machine = Self.machine()
      _ = Self.find(Self.messages(10), end: 11, wallTime: wallTime, in: &machine)
      return machine.failed(.unavailable, now: Self.start, wallTime: wallTime, random: 0)
    }
    let wait = EndpointDelivery.NextAction.wait(until: Self.start.adding(milliseconds: 1000))
    #expect(fail(at: 60_999) == wait)
    #expect(fail(at: 61_000) == .deadLetter(count: 1, .expired))
    // A clock that was set back makes nothing old.
    #expect(fail(at: 0) == wait)
  }

  @Test("while an endpoint is down, what is too old is given up without a request each")
  func downEndpoint() {
    var machine = Self.machine()
    let mixed = [(10, 1000), (11, 2000), (12, 70_000)].map { sequence, time in
      EndpointDelivery.Message(sequence: sequence, enqueuedTime: time)
    }
    #expect(Self.find(mixed, end: 13, wallTime: 62_000, in: &machine) == .send(count: 3))
    // Both that are too old at once, and not the one behind them.
    #expect(
      machine.failed(.unavailable, now: Self.start, wallTime: 62_000, random: 0)
        == .deadLetter(count: 2, .expired)
    )
    #expect(machine.deadLettered() == .checkpoint(12))
    // The next one waits for the time that the failure set.
    let until = Self.start.adding(milliseconds: 1000)
    #expect(
      Self.find([mixed[2]], end: 13, wallTime: 62_000, in: &machine) == .wait(until: until)
    )
    #expect(machine.timeout(now: until) == .send(count: 1))
    #expect(
      machine.failed(.unavailable, now: until, wallTime: 130_000, random: 0)
        == .deadLetter(count: 1, .expired)
    )
    #expect(machine.deadLettered() == .checkpoint(13))
    let old = EndpointDelivery.Message(sequence: 13, enqueuedTime: 70_000)
    #expect(
      Self.find([old], end: 14, now: until, wallTime: 130_000, in: &machine)
        == .deadLetter(count: 1, .expired)
    )
    #expect(machine.deadLettered() == .checkpoint(14))
    // The wait is over: one is sent, however old the endpoint's trouble is.
    let new = EndpointDelivery.Message(sequence: 14, enqueuedTime: 130_000)
    let later = until.adding(milliseconds: 2000)
    #expect(
      Self.find([new], end: 15, now: later, wallTime: 130_000, in: &machine) == .send(count: 1)
    )
    #expect(machine.succeeded() == .checkpoint(15))
    // It is up again: even what is old is offered.
    let late = EndpointDelivery.Message(sequence: 15, enqueuedTime: 1000)
    #expect(
      Self.find([late], end: 16, now: later, wallTime: 130_000, in: &machine) == .send(count: 1)
    )
  }

  @Test("an endpoint that asks to be left alone is, for an hour at most")
  func retryAfter() {
    for (asked, milliseconds) in [
      (0, 1000), (999, 1000), (5000, 5000), (3_600_001, 3_600_000), (UInt64.max, 3_600_000),
    ] as [(UInt64, UInt64)] {
      var machine = Self.machine()
      _ = Self.find(Self.messages(10), end: 11, in: &machine)
      let action = machine.failed(
        .unavailable(retryAfterMilliseconds: asked),
        now: Self.start,
        wallTime: 1000,
        random: 0
      )
      #expect(action == .wait(until: Self.start.adding(milliseconds: milliseconds)), "\(asked)")
    }
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
