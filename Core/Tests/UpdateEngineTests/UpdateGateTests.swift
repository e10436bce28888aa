import Testing
import UpdateEngine

@Suite("Windows, deferral and the reason why a device is behind (rule D-8)")
struct UpdateGateTests {
  private static let day: Int64 = 86_400
  /// A Monday at midnight, UTC.
  private static let monday: Int64 = 1_799_625_600

  @Test("windows open by the week, in the site's time, also over midnight and the week's end")
  func windows() throws {
    let night = try #require(UpdateWindow(days: 0b000_0011, startMinute: 22 * 60, minutes: 240))
    let rows: [(Int64, Int64)] = [
      (0, 22 * 3600), (22 * 3600, 22 * 3600), (22 * 3600 - 1, 22 * 3600),
      (Self.day + 2 * 3600 - 1, Self.day + 2 * 3600 - 1),
      (Self.day + 2 * 3600, Self.day + 22 * 3600),
      (2 * Self.day + 2 * 3600, 7 * Self.day + 22 * 3600),
    ]
    for (at, opening) in rows {
      #expect(night.opening(from: Self.monday + at, offset: 0) == Self.monday + opening, "\(at)")
    }
    // Two hours ahead of UTC it opens two hours earlier.
    #expect(night.opening(from: Self.monday, offset: 7200) == Self.monday + 20 * 3600)
    let sunday = try #require(UpdateWindow(days: 0b100_0000, startMinute: 1439, minutes: 10))
    let end = Self.monday + 7 * Self.day
    #expect(sunday.opening(from: end + 539, offset: 0) == end + 539)
    #expect(sunday.opening(from: end + 540, offset: 0) == end + 7 * Self.day - 60)
    #expect(sunday.opening(from: -5 * Self.day, offset: -3600) > -5 * Self.day)
    let always = try #require(UpdateWindow(days: 1, startMinute: 0, minutes: 10_080))
    for hour in 0..<200 as Range<Int64> {
      #expect(always.opening(from: hour * 3600, offset: 0) == hour * 3600)
    }
    for (days, start, minutes) in [
      (0, 0, 1), (0x80, 0, 1), (1, 1440, 1), (1, -1, 1), (1, 0, 0), (1, 0, 10_081),
    ] {
      #expect(UpdateWindow(days: UInt8(days), startMinute: start, minutes: minutes) == nil)
    }
  }

  @Test("row 33: an app can put an update off, but not beyond the budget")
  func budget() throws {
    var gate = UpdateGate()
    #expect(throws: DeferralRefusal.nothingPending) { try gate.postpone(until: 10, now: 0) }
    gate.arrived(isCritical: false, isSame: false, now: 0)
    #expect(gate.answer(now: 0) == .open)
    #expect(throws: DeferralRefusal.notAhead) { try gate.postpone(until: 5, now: 5) }
    #expect(try gate.postpone(until: Self.day, now: 5) == Self.day)
    #expect(gate.answer(now: 6) == .closed(until: Self.day, .deferred))
    #expect(throws: DeferralRefusal.alreadyDeferred(until: Self.day)) {
      try gate.postpone(until: 2 * Self.day, now: 7)
    }
    #expect(gate.answer(now: Self.day) == .open)
    #expect(try gate.postpone(until: 100 * Self.day, now: Self.day) == 7 * Self.day)
    // The same update again does not begin a new budget.
    gate.arrived(isCritical: false, isSame: true, now: 3 * Self.day)
    #expect(gate.answer(now: 7 * Self.day - 1) == .closed(until: 7 * Self.day, .deferred))
    #expect(gate.answer(now: 7 * Self.day) == .open)
    #expect(throws: DeferralRefusal.budgetSpent) {
      try gate.postpone(until: 8 * Self.day, now: 7 * Self.day)
    }
    gate.ended()
    #expect(gate.budgetEnd == nil)
  }

  @Test("a critical update cuts a deferral short, and at the end of its budget windows too")
  func critical() throws {
    let window = try #require(UpdateWindow(days: 1, startMinute: 0, minutes: 60))
    var gate = UpdateGate(windows: [window])
    let start = Self.monday + Self.day
    gate.arrived(isCritical: false, isSame: false, now: start)
    _ = try gate.postpone(until: start + 3 * Self.day, now: start)
    gate.arrived(isCritical: true, isSame: true, now: start + 100)
    #expect(gate.answer(now: start + 101) == .closed(until: start + Self.day, .deferred))
    gate.resume()
    #expect(gate.answer(now: start + 101) == .closed(until: start + Self.day, .outsideWindow))
    #expect(gate.answer(now: start + Self.day) == .open)
    gate.arrived(isCritical: false, isSame: true, now: start + Self.day)
    #expect(
      gate.answer(now: start + Self.day)
        == .closed(until: Self.monday + 7 * Self.day, .outsideWindow)
    )
    gate.wantNow()
    #expect(gate.answer(now: start + Self.day) == .open)
    #expect(throws: DeferralRefusal.budgetSpent) {
      try gate.postpone(until: start + 2 * Self.day, now: start + Self.day)
    }
  }

  @Test("one reason, the first that somebody has to change; every one of them can be")
  func reasons() throws {
    let now: Int64 = 1_000_000
    let good = EvidenceState.good(digest: [6], at: now)
    func rollout(_ prepare: (inout Rollout) -> Void = { _ in }) throws -> Rollout {
      var ring = Ring(name: "r", devices: ["d", "e"])
      ring.parallelLimit = 1
      ring.failureLimit = 1
      var rollout = Rollout(try RolloutPlan(target: [7], rings: [ring]))
      _ = rollout.start(now: now - 10)
      prepare(&rollout)
      return rollout
    }
    func facts(_ phase: UpdatePhase, _ evidence: EvidenceState? = nil) -> DeviceFacts {
      DeviceFacts(lastSeen: now, evidence: evidence ?? good, phase: phase)
    }
    var unfit = facts(.noSpace)
    unfit.isCompatible = false
    var unheard = facts(.downloading)
    unheard.lastSeen = now - 25 * 3600 - 1
    let plain = try rollout()
    let failed = try rollout { _ = $0.failed("d", now: now) }
    let stopped = try rollout { _ = $0.stop() }
    let rows: [(Rollout, String, DeviceFacts, BehindReason?)] = [
      (plain, "x", facts(.idle), .notTargeted),
      (plain, "d", facts(.done, .quarantined), .quarantined),
      (plain, "d", facts(.done, .failedSignature), .signatureFailed),
      (plain, "d", facts(.done, .failedPolicy), .policyFailed), (failed, "d", unfit, .incompatible),
      (failed, "d", facts(.ready), .failedHere), (stopped, "d", facts(.ready), .stopped),
      (stopped, "d", facts(.onTrial), .onTrial), (plain, "e", facts(.idle), .notItsTurn),
      (plain, "d", unheard, .silent), (plain, "d", DeviceFacts(), .silent),
      (plain, "d", facts(.refused), .refused), (plain, "d", facts(.noSpace), .noSpace),
      (plain, "d", facts(.deferred), .deferred),
      (plain, "d", facts(.waitsForWindow), .outsideWindow),
      (plain, "d", facts(.downloading), .downloading), (plain, "d", facts(.ready), .ready),
      (plain, "d", facts(.onTrial), .onTrial), (plain, "d", facts(.done), .unproven),
      (plain, "d", facts(.done, .unknown), .unproven), (plain, "d", facts(.idle), .notFetched),
      (plain, "d", facts(.idle, .good(digest: [7], at: now)), nil),
      (stopped, "d", facts(.idle, .good(digest: [7], at: now - 25 * 3600)), nil),
      (plain, "d", facts(.done, .good(digest: [7], at: now - 25 * 3600 - 1)), .unproven),
      (plain, "d", facts(.done, .good(digest: [7], at: now + 1)), .unproven),
    ]
    for (rollout, device, facts, reason) in rows {
      #expect(rollout.reason(device, facts, now: now) == reason, "\(facts)")
    }
    #expect(Set(rows.compactMap(\.3)) == Set(BehindReason.allCases))
  }

  @Test("a dry run tells what would happen, and how much of it at once")
  func blastRadius() throws {
    var first = Ring(name: "first", devices: ["a", "b", "gone"])
    first.failureLimit = 0
    first.parallelLimit = 1
    let second = Ring(name: "second", devices: ["c", "d", "e", "f"])
    let plan = try RolloutPlan(target: [9], rings: [first, second])
    let fleet = [
      FleetDevice(name: "a", site: "s", release: 8),
      FleetDevice(name: "b", site: "s", release: nil),
      FleetDevice(name: "c", site: "t", release: 9),
      FleetDevice(name: "d", site: "t", release: 8, floor: 10),
      FleetDevice(name: "e", site: "u", release: 7, isCompatible: false),
      FleetDevice(name: "f", site: "u", release: 7, isQuarantined: true),
      FleetDevice(name: "z", site: "u", release: 7),
    ]
    let radius = BlastRadius(plan, release: 9, fleet: fleet)
    var one = BlastRadius.RingEffect(name: "first")
    (one.restarts, one.unknown, one.worstCase) = (2, 1, 1)
    (one.wholeSites, one.releases, one.canPass) = (["s"], [8: 1, nil: 1], false)
    var two = BlastRadius.RingEffect(name: "second")
    (two.alreadyThere, two.incompatible, two.quarantined) = (1, 2, 1)
    #expect(radius.rings == [one, two])
    #expect(radius.untouched == 1)
  }
}
