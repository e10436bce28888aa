import Simulation
import Testing

@Suite("Configurations and jobs under faults (contract §7.8, §7.9)")
struct FleetScenarioTests {
  @Test("whatever fails, jobs reach every device and twins are what the configurations ask")
  func seeds() {
    var total = FleetSimulation.Report()
    for seed in 0..<150 as Range<UInt64> {
      var simulation = FleetSimulation(seed: seed)
      let report = simulation.run()
      #expect(report.failure == nil, "seed \(seed): \(report.failure ?? "")")
      total.commitCount += report.commitCount
      total.faultCount += report.faultCount
      total.invocationCount += report.invocationCount
      total.endedJobCount += report.endedJobCount
    }
    // A net that catches nothing proves nothing: every kind of trouble must have occurred.
    #expect(total.commitCount > 15_000)
    #expect(total.faultCount > 4000)
    #expect(total.invocationCount > 5000)
    #expect(total.endedJobCount > 1000)
  }

  @Test("one seed always tells the same story")
  func repeatable() {
    var first = FleetSimulation(seed: 42)
    var second = FleetSimulation(seed: 42)
    #expect(first.run() == second.run())
  }

  @Test("a mistake in the driver is found", arguments: FleetSimulation.Mistake.allCases)
  func mistakes(mistake: FleetSimulation.Mistake) {
    let found = (0..<100 as Range<UInt64>).contains { seed in
      var simulation = FleetSimulation(seed: seed, mistake: mistake)
      return simulation.run().failure != nil
    }
    #expect(found, "\(mistake)")
  }
}
