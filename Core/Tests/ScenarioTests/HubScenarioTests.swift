import Simulation
import Testing

@Suite("A hub under faults (contract §3.2, §3.5, §3.6, §7.5)")
struct HubScenarioTests {
  @Test("whatever fails, what was acknowledged stays and the copies agree in the end")
  func seeds() {
    var total = HubSimulation.Report()
    for seed in 0..<200 as Range<UInt64> {
      var simulation = HubSimulation(seed: seed)
      let report = simulation.run()
      #expect(report.failure == nil, "seed \(seed): \(report.failure ?? "")")
      total.acknowledgedCount += report.acknowledgedCount
      total.commitCount += report.commitCount
      total.faultCount += report.faultCount
      total.breakCount += report.breakCount
      total.deliveryCount += report.deliveryCount
    }
    // A net that catches nothing proves nothing: every kind of trouble must have occurred.
    #expect(total.acknowledgedCount > 15_000)
    #expect(total.faultCount > 3000)
    #expect(total.breakCount > 1500)
    #expect(total.deliveryCount > 7000)
  }

  @Test("one seed always tells the same story")
  func repeatable() {
    var first = HubSimulation(seed: 42)
    var second = HubSimulation(seed: 42)
    #expect(first.run() == second.run())
  }

  @Test("a mistake in the driver is found", arguments: HubSimMistake.allCases)
  func mistakes(mistake: HubSimMistake) {
    let found = (0..<200 as Range<UInt64>).contains { seed in
      var simulation = HubSimulation(seed: seed, mistake: mistake)
      return simulation.run().failure != nil
    }
    #expect(found, "\(mistake)")
  }
}
