import Simulation
import Testing

#if canImport(Glibc)
import Glibc
#endif

@Suite("An edge for 400 days (edge contract §7, §9)")
struct EdgeScenarioTests {
  @Test("400 days, 200 power cuts: what was acknowledged arrives in order, twins agree")
  func aYear() {
    let seed: UInt64 = 20_260_101
    var simulation = EdgeSimulation(seed: seed)
    let report = simulation.run()
    print("An edge for 400 days, seed \(seed): \(report)")
    #expect(report.failure == nil, "seed \(seed): \(report.failure ?? "")")
    // A net that catches nothing proves nothing: every kind of trouble must have occurred.
    #expect(report.powerCutCount >= 200)
    #expect(report.tornWriteCount > 40)
    #expect(report.clockStepCount > 30)
    #expect(report.renewalCount >= 13)
    #expect(report.failedRenewalCount > 0)
    #expect(report.longestOfflineDays > 150)
    #expect(report.hubRestartCount > 20)
    #expect(report.lostAnswerCount > 500)
    #expect(report.refusedCount > 10)
    #expect(report.acknowledgedCount > 15_000)
    #expect(report.expiredCount > 1000)
    #expect(report.mostWaiting > 2000)
    #expect(report.twinChangeCount > 1000)
  }

  /// `ORRERY_EDGE_SEEDS=1000` runs as many others of the full length, `ORRERY_EDGE_SEEDS=554-554` those
  /// of a range, and prints each that fails.
  @Test("other seeds, shorter; or as many whole ones as are asked for")
  func seeds() {
    let asked = unsafe getenv("ORRERY_EDGE_SEEDS").flatMap {
      Self.range(unsafe String(cString: $0))
    }
    for seed in asked ?? 1...12 {
      var simulation =
        asked == nil
        ? EdgeSimulation(seed: seed, days: 40, powerCuts: 60) : EdgeSimulation(seed: seed)
      let report = simulation.run()
      #expect(report.failure == nil, "seed \(seed): \(report.failure ?? "")")
      if asked != nil { #expect(report.renewalCount >= 13, "seed \(seed)") }
    }
  }

  /// What `1000` or `554-600` asks for; nil for anything else.
  private static func range(_ text: String) -> ClosedRange<UInt64>? {
    let numbers = text.split(separator: "-", maxSplits: 1).map { UInt64($0) ?? 0 }
    guard let last = numbers.last, last > 0, let first = numbers.count == 1 ? 1 : numbers.first,
      first <= last
    else { return nil }
    return first...last
  }

  @Test("one seed always tells the same story")
  func repeatable() {
    var first = EdgeSimulation(seed: 42, days: 20, powerCuts: 20)
    var second = EdgeSimulation(seed: 42, days: 20, powerCuts: 20)
    #expect(first.run() == second.run())
  }

  @Test("a mistake in the driver is found", arguments: EdgeSimMistake.allCases)
  func mistakes(mistake: EdgeSimMistake) {
    let found = (0..<20 as Range<UInt64>).contains { seed in
      var simulation = EdgeSimulation(seed: seed, days: 80, powerCuts: 60, mistake: mistake)
      return simulation.run().failure != nil
    }
    #expect(found, "\(mistake)")
  }
}
