import ByteIO
import EdgeEngine
import Testing

@Suite("A day's bytes, by priority")
struct SendBudgetTests {
  private static func at(seconds: UInt64) -> Instant {
    Instant(nanoseconds: 1_000_000_000 * (seconds + 5))
  }

  private static let classes = [
    SendBudget.Share(lastPriority: 0, percent: 50), .init(lastPriority: 4, percent: 30),
    .init(lastPriority: 9, percent: 20),
  ]

  @Test("What is no budget is refused")
  func faults() {
    typealias Share = SendBudget.Share
    let rows: [(UInt64, [Share], UInt64?, SendBudget.Fault)] = [
      (0, [Share(lastPriority: 9, percent: 100)], nil, .bytes),
      (.max, [Share(lastPriority: 9, percent: 100)], nil, .bytes),
      (1, [Share(lastPriority: 9, percent: 100)], .max, .bytes),
      (1, [], nil, .sum(0)),
      (
        1, [Share(lastPriority: 0, percent: 60), Share(lastPriority: 9, percent: 60)], nil,
        .sum(120)
      ),
      (1, [Share(lastPriority: 9, percent: 60), Share(lastPriority: 0, percent: 40)], nil, .order),
      (1, [Share(lastPriority: 9, percent: 60), Share(lastPriority: 9, percent: 40)], nil, .order),
    ]
    for (bytes, shares, burst, fault) in rows {
      #expect(throws: fault) {
        try SendBudget(
          bytesPerDay: bytes,
          shares: shares,
          burstBytes: burst,
          now: Self.at(seconds: 0)
        )
      }
    }
  }

  @Test("In a day leave the day's bytes and the burst, however often is asked")
  func day() throws {
    for step in [1, 7, 600] as [UInt64] {
      var budget = try SendBudget(
        bytesPerDay: 864_000,
        burstBytes: 1_000,
        now: Self.at(seconds: 0)
      )
      var sent = 0
      for second in stride(from: 0, through: 86_400, by: Int(step)) {
        while budget.take(100, priority: 3, now: Self.at(seconds: UInt64(second))) { sent += 100 }
      }
      let most = step == 600 ? 145 * 1_000 : 864_000 + 1_000
      #expect((most - 200...most + 100).contains(sent), "every \(step) s: \(sent)")
    }
  }

  @Test(
    "A message takes from its own class, then from less important ones, never from more important"
  )
  func classes() throws {
    var budget = try SendBudget(
      bytesPerDay: 86_400,
      shares: Self.classes,
      burstBytes: 1_000,
      now: Self.at(seconds: 0)
    )
    #expect(budget.balances == [500, 300, 200])
    let now = Self.at(seconds: 0)
    #expect(budget.take(200, priority: 7, now: now) == true)
    #expect(budget.take(1, priority: 9, now: now) == false, "the rest is not its own")
    #expect(
      budget.take(1, priority: 4_000, now: now) == false,
      "nor of what has no class of its own"
    )
    #expect(budget.take(200, priority: 0, now: now) == true)
    #expect(budget.take(300, priority: 0, now: now) == true)
    #expect(budget.balances == [0, 300, 0])
    #expect(budget.take(299, priority: 0, now: now) == true, "from the next class")
    #expect(budget.take(1, priority: 2, now: now) == true)
    #expect(budget.take(1, priority: 0, now: now) == false)
    // A byte a second, of which each class has its part.
    #expect(budget.nextChance(priority: 0, now: now) == Self.at(seconds: 2))
    #expect(budget.take(1, priority: 0, now: Self.at(seconds: 2)) == true)
  }

  @Test("What a full class cannot hold goes to a less important one")
  func overflow() throws {
    var budget = try SendBudget(
      bytesPerDay: 86_400,
      shares: Self.classes,
      burstBytes: 1_000,
      now: Self.at(seconds: 0)
    )
    #expect(budget.take(200, priority: 9, now: Self.at(seconds: 0)) == true)
    // 100 seconds bring 50, 30 and 20 bytes, of which the first two have no room.
    #expect(budget.take(99, priority: 9, now: Self.at(seconds: 100)) == true)
    #expect(budget.balances == [500, 300, 1])
  }

  @Test("The largest message passes the smallest budget, and is paid for before the next")
  func debt() throws {
    var budget = try SendBudget(bytesPerDay: 86_400, burstBytes: 10, now: Self.at(seconds: 0))
    #expect(budget.take(262_144, priority: 1, now: Self.at(seconds: 0)) == true)
    let chance = budget.nextChance(priority: 1, now: Self.at(seconds: 0))
    #expect(chance == Self.at(seconds: 262_135))
    #expect(budget.take(1, priority: 1, now: Self.at(seconds: 80_000)) == false)
    var saved = try SendBudget(bytesPerDay: 86_400, burstBytes: 10, now: Self.at(seconds: 0))
    saved.restore(budget.balances)
    #expect(
      saved.take(1, priority: 1, now: Self.at(seconds: 10)) == false,
      "a restart forgives nothing"
    )
    saved.restore([1, 2])
    #expect(saved.take(1, priority: 1, now: Self.at(seconds: 10)) == false)
    for second in stride(from: 80_000, to: 262_200, by: 20_000) {
      _ = budget.nextChance(priority: 1, now: Self.at(seconds: UInt64(second)))
      #expect(
        budget.take(0, priority: 1, now: Self.at(seconds: UInt64(min(second, 262_134)))) == false
      )
    }
    #expect(budget.take(1, priority: 1, now: Self.at(seconds: 262_136)) == true)
  }

  @Test("A clock that goes back brings nothing, and no amount of bytes is a fault")
  func extremes() throws {
    var budget = try SendBudget(bytesPerDay: SendBudget.limit, now: Self.at(seconds: 50))
    #expect(budget.take(.max, priority: 0, now: Self.at(seconds: 1)) == true)
    #expect(budget.take(.max, priority: 0, now: Self.at(seconds: 1)) == false)
    #expect(budget.nextChance(priority: 0, now: Instant(nanoseconds: .max)).nanoseconds == .max)
    var small = try SendBudget(bytesPerDay: 1, now: Self.at(seconds: 0))
    #expect(small.take(-5, priority: 0, now: Self.at(seconds: 0)) == true)
    #expect(small.balances == [1], "nothing is given back for less than nothing")
  }

  @Test("The allowance is what may leave without owing")
  func allowance() throws {
    var budget = try SendBudget(
      bytesPerDay: 86_400_000,
      shares: Self.classes,
      burstBytes: 1_000,
      now: Self.at(seconds: 0)
    )
    func allowance(_ priority: UInt32) -> Int {
      budget.allowance(priority: priority, now: Self.at(seconds: 0))
    }
    #expect([0, 1, 9].map(allowance) == [500, 300, 200])
    _ = budget.take(700, priority: 9, now: Self.at(seconds: 0))
    #expect([0, 1, 9].map(allowance) == [500, 300, 0], "the least important class owes")
    _ = budget.take(300, priority: 1, now: Self.at(seconds: 0))
    #expect([0, 1, 9].map(allowance) == [500, 0, 0])
    _ = budget.take(600, priority: 0, now: Self.at(seconds: 0))
    #expect([0, 1, 9].map(allowance) == [0, 0, 0])
    #expect(budget.allowance(priority: 0, now: Self.at(seconds: 1)) > 0)
  }
}
