import ByteIO
import Testing
import UpdateEngine

@Suite("Rings: a target advances on attested running measurements alone (row 22)")
struct RolloutTests {
  private static let target: [UInt8] = [7]
  private static let old: [UInt8] = [6]

  private static func ring(_ name: String, _ count: Int) -> Ring {
    var ring = Ring(name: name, devices: (0..<count).map { "\(name)\($0)" })
    ring.soakSeconds = 100
    ring.lostSeconds = 1000
    ring.failureLimit = 1
    return ring
  }

  private static func rollout(
    _ counts: [Int] = [2, 10],
    _ change: (inout [Ring]) -> Void = { _ in }
  ) throws -> Rollout {
    let names = ["a", "b", "c"]
    var rings = counts.enumerated().map { ring(names[$0.offset], $0.element) }
    change(&rings)
    return Rollout(try RolloutPlan(target: target, rings: rings))
  }

  @discardableResult
  private static func run(
    _ rollout: inout Rollout,
    _ devices: [String],
    now: Int64
  ) -> [RolloutAction] {
    devices.flatMap { rollout.attested($0, running: target, evidence: now, now: now) }
  }

  @Test("one ring after the other, each after its time")
  func order() throws {
    var rollout = try Self.rollout()
    #expect(rollout.start(now: 0) == [.offer(ring: 0, devices: ["a0", "a1"])])
    #expect(rollout.start(now: 1) == [])
    #expect(Self.run(&rollout, ["a0"], now: 10) == [])
    #expect(rollout.state == .running(ring: 0) && rollout.nextDeadline == nil)
    #expect(Self.run(&rollout, ["a1"], now: 20) == [])
    #expect(rollout.state == .soaking(ring: 0, until: 120) && rollout.nextDeadline == 120)
    #expect(rollout.timeout(now: 119) == [])
    let second = (0..<10).map { "b\($0)" }
    #expect(rollout.timeout(now: 120) == [.offer(ring: 1, devices: second)])
    #expect(Self.run(&rollout, Array(second[..<9]), now: 200) == [])
    #expect(rollout.timeout(now: 300) == [.finish])
    #expect(rollout.state == .finished)
    // The tenth is still let in.
    #expect(rollout.isOffered("b9") && Self.run(&rollout, ["b9"], now: 400) == [])
    #expect(rollout.runningCount(ring: 1) == 10)
  }

  @Test("row 22: a device's word moves nothing; old, future or other evidence neither")
  func word() throws {
    var rollout = try Self.rollout([1, 1])
    _ = rollout.start(now: 0)
    _ = rollout.began("a0", now: 1)
    #expect(rollout.runningCount(ring: 0) == 0)
    let now: Int64 = 25 * 3600 + 1
    let rows: [([UInt8], Int64)] = [(Self.target, 0), (Self.target, now + 1), (Self.old, 1)]
    for (digest, evidence) in rows {
      #expect(rollout.attested("a0", running: digest, evidence: evidence, now: now) == [])
      #expect(rollout.state == .running(ring: 0) && rollout.failedCount(ring: 0) == 0)
    }
    #expect(rollout.attested("nobody", running: Self.target, evidence: now, now: now) == [])
    Self.run(&rollout, ["a0"], now: now)
    #expect(rollout.state == .soaking(ring: 0, until: now + 100))
  }

  @Test("too many failures stop it, and those that have the target go back")
  func stops() throws {
    var rollout = try Self.rollout([4])
    _ = rollout.start(now: 0)
    Self.run(&rollout, ["a0"], now: 5)
    _ = rollout.began("a1", now: 5)
    #expect(rollout.failed("a2", now: 6) == [])
    #expect(
      rollout.failed("a3", now: 7)
        == [.stop(.failures(ring: 0, count: 2), goBack: ["a0", "a1"])]
    )
    #expect(rollout.state == .stopped(ring: 0, .failures(ring: 0, count: 2)))
    #expect(Self.run(&rollout, ["a1"], now: 8) == [])
    #expect(rollout.timeout(now: 9999) == [])
    // As it was, it stops at once; forgetting, it begins anew with those that failed.
    var strict = rollout
    #expect(
      strict.resume(forgettingFailures: false, now: 10)
        == [.stop(.failures(ring: 0, count: 2), goBack: ["a0", "a1"])]
    )
    #expect(
      rollout.resume(forgettingFailures: true, now: 10)
        == [.offer(ring: 0, devices: ["a2", "a3"])]
    )
  }

  @Test(
    "what counts as a failure",
    arguments: [
      (["began", "old"], RolloutFailure.wentBack), (["target", "old"], .wentBack),
      (["began", "wait"], .lost), (["failed"], .reported), (["began", "failed"], .reported),
      (["target", "failed"], .reported), (["old"], nil), (["began"], nil), (["wait"], nil),
      (["target", "wait"], nil), (["failed", "target"], nil), (["began", "wait", "target"], nil),
    ] as [([String], RolloutFailure?)]
  )
  func failures(events: [String], failure: RolloutFailure?) throws {
    var rollout = try Self.rollout([3])
    _ = rollout.start(now: 0)
    var now: Int64 = 0
    for event in events {
      now += 10
      switch event {
      case "began": _ = rollout.began("a0", now: now)
      case "failed": _ = rollout.failed("a0", now: now)
      case "target": Self.run(&rollout, ["a0"], now: now)
      case "old": _ = rollout.attested("a0", running: Self.old, evidence: now, now: now)
      default:
        now += 1000
        _ = rollout.timeout(now: now)
      }
    }
    #expect(rollout.failure(of: "a0") == failure)
    #expect(rollout.failedCount(ring: 0) == (failure == nil ? 0 : 1))
  }

  @Test("a share of failures stops it once enough devices came to an end")
  func share() throws {
    var rollout = try Self.rollout([100]) { rings in
      rings[0].failureLimit = 100
      rings[0].failurePerMille = 100
      rings[0].failureSample = 20
    }
    _ = rollout.start(now: 0)
    for index in 0..<19 {
      let device = "a\(index)"
      #expect(
        (index < 3 ? rollout.failed(device, now: 1) : Self.run(&rollout, [device], now: 1)) == []
      )
    }
    guard case .stop(.failures(0, 3), let back)? = Self.run(&rollout, ["a50"], now: 2).first else {
      Issue.record("three of twenty did not stop it")
      return
    }
    #expect(back.count == 17)
  }

  @Test("a failure while it soaks, or in a ring that has passed, still stops it")
  func lateFailures() throws {
    var rollout = try Self.rollout([10, 2])
    _ = rollout.start(now: 0)
    Self.run(&rollout, (0..<10).map { "a\($0)" }, now: 1)
    // One that goes back leaves nine of ten: still enough.
    _ = rollout.attested("a0", running: Self.old, evidence: 2, now: 2)
    #expect(rollout.state == .soaking(ring: 0, until: 101))
    #expect(rollout.timeout(now: 101).count == 1)
    guard case .stop(.failures(0, 2), _)? = rollout.failed("a1", now: 102).first else {
      Issue.record("the first ring was forgotten")
      return
    }
    #expect(rollout.state == .stopped(ring: 1, .failures(ring: 0, count: 2)))
  }

  @Test("a success that is lost while it soaks takes the time back")
  func soakBroken() throws {
    var rollout = try Self.rollout([2, 1])
    _ = rollout.start(now: 0)
    Self.run(&rollout, ["a0", "a1"], now: 1)
    _ = rollout.attested("a0", running: Self.old, evidence: 2, now: 2)
    #expect(rollout.state == .running(ring: 0))
    #expect(rollout.timeout(now: 500) == [])
    Self.run(&rollout, ["a0"], now: 600)
    #expect(rollout.state == .soaking(ring: 0, until: 700))
  }

  @Test("no more than the limit are on their way, and each end lets the next one in")
  func parallel() throws {
    var rollout = try Self.rollout([6]) { $0[0].parallelLimit = 2 }
    #expect(rollout.start(now: 0) == [.offer(ring: 0, devices: ["a0", "a1"])])
    #expect(rollout.began("a0", now: 1) == [])
    #expect(Self.run(&rollout, ["a0"], now: 2) == [.offer(ring: 0, devices: ["a2"])])
    #expect(rollout.failed("a1", now: 3) == [.offer(ring: 0, devices: ["a3"])])
    #expect(rollout.remove("a2", now: 4) == [.offer(ring: 0, devices: ["a4"])])
  }

  @Test("a person stops it at any time, and it goes on from there")
  func person() throws {
    var rollout = try Self.rollout([1, 1])
    #expect(rollout.stop() == [])
    _ = rollout.start(now: 0)
    #expect(rollout.stop() == [.stop(.person, goBack: [])])
    #expect(rollout.stop() == [])
    Self.run(&rollout, ["a0"], now: 1)
    #expect(rollout.state == .stopped(ring: 0, .person))
    #expect(rollout.resume(forgettingFailures: false, now: 5) == [])
    #expect(rollout.state == .soaking(ring: 0, until: 105))
    #expect(rollout.resume(forgettingFailures: false, now: 6) == [])
  }

  @Test("plans that cannot be meant are refused")
  func plans() {
    func fault(_ rings: [Ring]) -> RolloutPlanFault? {
      do throws(RolloutPlanFault) {
        _ = try RolloutPlan(target: [1], rings: rings)
        return nil
      } catch {
        return error
      }
    }
    func changed(_ change: (inout Ring) -> Void) -> [Ring] {
      var ring = Self.ring("a", 2)
      change(&ring)
      return [ring]
    }
    #expect(fault([]) == .ringCount(0))
    #expect(fault(Array(repeating: Self.ring("a", 1), count: 33)) == .ringCount(33))
    #expect(fault([Ring(name: "x", devices: [])]) == .emptyRing("x"))
    #expect(fault([Self.ring("a", 2), Self.ring("a", 1)]) == .deviceTwice("a0"))
    let rows: [(String, (inout Ring) -> Void)] = [
      ("successPerMille", { $0.successPerMille = 0 }),
      ("successPerMille", { $0.successPerMille = 1001 }), ("soakSeconds", { $0.soakSeconds = -1 }),
      ("soakSeconds", { $0.soakSeconds = .max }), ("failureLimit", { $0.failureLimit = -1 }),
      ("failurePerMille", { $0.failurePerMille = 1001 }),
      ("failureSample", { $0.failureSample = 0 }), ("parallelLimit", { $0.parallelLimit = 0 }),
      ("lostSeconds", { $0.lostSeconds = 0 }), ("lostSeconds", { $0.lostSeconds = .max }),
    ]
    for (field, change) in rows {
      #expect(fault(changed(change)) == .outOfRange(ring: "a", field: field))
    }
    #expect(fault(changed { _ in }) == nil)
  }

  @Test("whatever devices do: no ring before its time, and no more harm than was foretold")
  func simulated() throws {
    for seed in 0..<60 as Range<UInt64> {
      var generator = SeededGenerator(seed: seed)
      var rings = [Self.ring("a", 5), Self.ring("b", 40), Self.ring("c", 100)]
      for index in rings.indices {
        rings[index].parallelLimit = Int.random(in: 1...30, using: &generator)
        rings[index].failureLimit = Int.random(in: 0...4, using: &generator)
        rings[index].successPerMille = 800
      }
      let plan = try RolloutPlan(target: Self.target, rings: rings)
      var rollout = Rollout(plan)
      // Of a thousand devices so many are killed by the target, and so many lie.
      let bad = [0, 20, 200, 1000].randomElement(using: &generator) ?? 0
      var offered: [String] = []
      var reached: [Set<String>] = rings.map { _ in [] }
      var isStopped = false
      var now: Int64 = 0
      func take(_ actions: [RolloutAction]) {
        for action in actions {
          switch action {
          case .offer(let ring, let devices):
            #expect(!isStopped, "seed \(seed): offered after the stop")
            for earlier in 0..<ring {
              let count = rollout.runningCount(ring: earlier)
              #expect(count * 10 >= rings[earlier].devices.count * 8 - 10, "seed \(seed)")
            }
            offered += devices
          case .stop: isStopped = true
          case .finish: #expect(!isStopped)
          }
        }
      }
      take(rollout.start(now: 0))
      for _ in 0..<3000 where !offered.isEmpty || rollout.nextDeadline != nil {
        now += 7
        guard let index = offered.indices.randomElement(using: &generator), !isStopped else {
          guard let deadline = rollout.nextDeadline, !isStopped else { break }
          now = max(now, deadline)
          take(rollout.timeout(now: now))
          continue
        }
        let device = offered.remove(at: index)
        take(rollout.began(device, now: now))
        if let ring = rollout.ring(of: device) { reached[ring].insert(device) }
        if Int.random(in: 0..<1000, using: &generator) >= bad {
          take(rollout.attested(device, running: Self.target, evidence: now + 1, now: now + 1))
        }
        take(rollout.timeout(now: now))
      }
      if bad == 1000 {
        #expect(isStopped && reached[1].isEmpty, "seed \(seed)")
        #expect(reached[0].count <= rings[0].worstCase, "seed \(seed)")
      }
      if bad == 0 { #expect(rollout.state == .finished, "seed \(seed)") }
    }
  }
}
