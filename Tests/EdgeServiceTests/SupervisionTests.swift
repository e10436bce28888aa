import ByteIO
import EdgeService
import Testing

@Suite("The supervisor's rules (contract §4.1)")
struct SupervisionTests {
  private static func time(_ seconds: Double) -> Instant {
    Instant(nanoseconds: UInt64(seconds * 1e9))
  }

  /// All three running since second 0, as processes 1, 2 and 3.
  private static func running() -> Supervision {
    var supervision = Supervision(roles: EdgeRole.allCases, now: time(0))
    for (index, role) in EdgeRole.allCases.enumerated() {
      _ = supervision.started(role, Int32(index + 1), now: time(0))
    }
    return supervision
  }

  @Test("all are started at once, in the order keys, agent, hub")
  func start() {
    var supervision = Supervision(roles: EdgeRole.allCases, now: Self.time(0))
    #expect(supervision.nextDeadline == Self.time(0))
    #expect(
      supervision.wake(now: Self.time(0)) == [.start(.keys), .start(.agent), .start(.hub)]
    )
    supervision = Self.running()
    #expect(supervision.wake(now: Self.time(5)).isEmpty)
    #expect(supervision.nextDeadline == nil)
  }

  @Test("one that dies young waits longer each time, never more than 30 s, and is never given up")
  func youngDeaths() {
    var supervision = Self.running()
    var now = 0.0
    var delays: [Int] = []
    for _ in 0..<100 {
      now += 1
      guard
        case .tell(.ended(.hub, .exit(1), let delay)) = supervision.ended(
          3,
          .exit(1),
          now: Self.time(now)
        ).first
      else {
        Issue.record("not told")
        return
      }
      delays.append(delay)
      #expect(supervision.nextDeadline == Self.time(now + Double(delay)))
      #expect(supervision.wake(now: Self.time(now + Double(delay) - 0.5)).isEmpty)
      now += Double(delay)
      #expect(supervision.wake(now: Self.time(now)) == [.start(.hub)])
      _ = supervision.started(.hub, 3, now: Self.time(now))
    }
    #expect(delays.prefix(7) == [1, 2, 4, 8, 16, 30, 30])
    #expect(delays.last == 30)
  }

  @Test("one that lived long starts again after a second, whatever happened before")
  func oldDeath() {
    var supervision = Self.running()
    for second in [1.0, 3.0] {
      _ = supervision.ended(1, .signal(9), now: Self.time(second))
      _ = supervision.started(.keys, 1, now: Self.time(second + 1))
    }
    let actions = supervision.ended(1, .signal(9), now: Self.time(100))
    #expect(actions == [.tell(.ended(.keys, .signal(9), retrySeconds: 1))])
  }

  @Test("one that cannot be started is tried again")
  func failure() {
    var supervision = Supervision(roles: [.hub], now: Self.time(0))
    let actions = supervision.failed(.hub, "no memory", now: Self.time(0))
    #expect(actions == [.tell(.failed(.hub, reason: "no memory", retrySeconds: 1))])
    #expect(supervision.wake(now: Self.time(1)) == [.start(.hub)])
  }

  @Test("processes of others are ignored")
  func strangers() {
    var supervision = Self.running()
    #expect(supervision.ended(77, .exit(0), now: Self.time(1)).isEmpty)
  }

  @Test("another device: the others are stopped, and each starts again at once")
  func reprovisioned() {
    var supervision = Self.running()
    let actions = supervision.ended(1, .exit(154), now: Self.time(20))
    #expect(actions == [.tell(.reprovisioned), .stop(2), .stop(3)])
    #expect(supervision.wake(now: Self.time(20)) == [.start(.keys)])
    _ = supervision.started(.keys, 4, now: Self.time(20))
    #expect(
      supervision.ended(2, .exit(0), now: Self.time(21)) == [.tell(.stopped(.agent, .exit(0)))]
    )
    #expect(supervision.wake(now: Self.time(21)) == [.start(.agent)])
    _ = supervision.started(.agent, 5, now: Self.time(21))
    // The hub does not stop.
    #expect(supervision.nextDeadline == Self.time(80))
    #expect(supervision.wake(now: Self.time(80)) == [.tell(.killed(.hub)), .kill(3)])
    #expect(supervision.wake(now: Self.time(81)).isEmpty)
    _ = supervision.ended(3, .signal(9), now: Self.time(82))
    #expect(supervision.wake(now: Self.time(82)) == [.start(.hub)])
  }

  @Test("the agent stops first, then the hub, then the keys")
  func orderlyStop() {
    var supervision = Self.running()
    #expect(supervision.stop(now: Self.time(10)) == [.tell(.stopping), .stop(2)])
    #expect(supervision.stop(now: Self.time(10)).isEmpty)
    #expect(
      supervision.ended(2, .exit(0), now: Self.time(11))
        == [.tell(.stopped(.agent, .exit(0))), .stop(3)]
    )
    #expect(!supervision.isOver)
    #expect(
      supervision.ended(3, .exit(0), now: Self.time(12))
        == [.tell(.stopped(.hub, .exit(0))), .stop(1)]
    )
    _ = supervision.ended(1, .exit(0), now: Self.time(13))
    #expect(supervision.isOver)
    #expect(supervision.nextDeadline == nil)
  }

  @Test("who does not stop is killed, and all is over within a minute")
  func forcedStop() {
    var supervision = Self.running()
    _ = supervision.stop(now: Self.time(0))
    #expect(supervision.nextDeadline == Self.time(40))
    #expect(
      supervision.wake(now: Self.time(40)) == [.tell(.killed(.agent)), .kill(2), .stop(3)]
    )
    #expect(supervision.nextDeadline == Self.time(55))
    #expect(
      supervision.wake(now: Self.time(55)) == [.tell(.killed(.hub)), .kill(3), .stop(1)]
    )
    #expect(supervision.wake(now: Self.time(60)) == [.tell(.killed(.keys)), .kill(1)])
    for id in [1, 2, 3] as [Int32] {
      _ = supervision.ended(id, .signal(9), now: Self.time(60))
    }
    #expect(supervision.isOver)
  }

  @Test("what waits for its start is not started while everything stops")
  func stopWhileDue() {
    var supervision = Self.running()
    for id in [1, 2, 3] as [Int32] { _ = supervision.ended(id, .exit(1), now: Self.time(1)) }
    #expect(supervision.stop(now: Self.time(1)) == [.tell(.stopping)])
    #expect(supervision.isOver)
    #expect(supervision.wake(now: Self.time(100)).isEmpty)
  }

  @Test("one that is told to restart is stopped, starts again at once, and leaves the others alone")
  func restart() {
    var supervision = Self.running()
    #expect(supervision.restart([.agent], now: Self.time(20)) == [.stop(2)])
    #expect(supervision.restart([.agent], now: Self.time(20)).isEmpty)
    #expect(supervision.status(now: Self.time(20)).map(\.isStopping) == [false, true, false])
    #expect(
      supervision.ended(2, .exit(0), now: Self.time(21)) == [.tell(.stopped(.agent, .exit(0)))]
    )
    #expect(supervision.wake(now: Self.time(21)) == [.start(.agent)])
    _ = supervision.started(.agent, 9, now: Self.time(21))
    let agent = supervision.status(now: Self.time(51))[1]
    #expect(agent.processID == 9)
    #expect(agent.seconds == 30)
    #expect(agent.restarts == 1)
    #expect(agent.lastEnding == .exit(0))
    #expect(!agent.isStopping)
    #expect(supervision.status(now: Self.time(51))[0].restarts == 0)
    // One that hangs is killed, as with everything that stops.
    _ = supervision.restart(EdgeRole.allCases, now: Self.time(60))
    #expect(supervision.nextDeadline == Self.time(120))
  }

  @Test("one that waits for its next attempt is started at once when it is told to restart")
  func restartWhileDue() {
    var supervision = Self.running()
    _ = supervision.ended(3, .exit(1), now: Self.time(1))
    #expect(supervision.status(now: Self.time(1))[2].processID == nil)
    #expect(supervision.restart([.hub], now: Self.time(1)).isEmpty)
    #expect(supervision.wake(now: Self.time(1)) == [.start(.hub)])
    _ = supervision.stop(now: Self.time(2))
    #expect(supervision.restart([.keys], now: Self.time(2)).isEmpty)
  }
}
