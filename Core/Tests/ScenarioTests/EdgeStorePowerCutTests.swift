import ByteIO
import EdgeEngine
import HubContract
import MessageLog
import Simulation
import Testing

@Suite("Edge store: acknowledged is never lost, wherever the power is cut (edge contract §7)")
struct EdgeStorePowerCutTests {
  @Test(
    "Before every write, sync, creation and removal of a run, and again while recovering",
    arguments: SimSurvival.allCases
  )
  func everyOperation(_ survival: SimSurvival) throws {
    let run = try EdgeStoreRun(turns: 140)
    #expect(run.journal.count > 600)
    #expect(run.journal.contains { if case .remove = $0 { true } else { false } })
    let shadow = SimDisk(seed: 1)
    var generator = SeededGenerator(seed: 7)
    var step = 0
    for (index, operation) in run.journal.enumerated() {
      while step + 1 < run.ledgers.count, run.ledgers[step + 1].after <= index { step += 1 }
      let ledger = run.ledgers[step].ledger
      let disk = shadow.copy(seed: UInt64(index))
      disk.powerCut(survival)
      let before = disk.copy(seed: UInt64(index))
      disk.startRecording()
      let complaint = try EdgeStoreRun.check(disk, ledger)
      #expect(complaint == nil, "cut before operation \(index): \(operation)")

      // The power goes again while the store is being opened and used.
      for operation in disk.journal.prefix(Int.random(in: 0...disk.journalCount, using: &generator))
      {
        try before.apply(operation)
      }
      before.powerCut(survival)
      var lenient = ledger
      lenient.acceptsSettled = true
      let second = try EdgeStoreRun.check(before, lenient)
      #expect(second == nil, "cut in recovery after a cut before operation \(index)")
      if complaint != nil || second != nil { return }
      try shadow.apply(operation)
    }
  }
}
