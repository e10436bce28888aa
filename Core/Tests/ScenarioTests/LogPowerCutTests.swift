import ByteIO
import MessageLog
import Simulation
import Testing

@Suite("Log: acknowledged is never lost, wherever the power is cut")
struct LogPowerCutTests {
  /// A run, and what had been acknowledged after how many of its disk operations.
  private struct Run {
    var journal: [SimDisk.Operation] = []
    var scripts: [(after: Int, script: LogScript)] = []

    init(turns: Int) throws {
      let disk = SimDisk(seed: 0)
      disk.startRecording()
      var script = LogScript(seed: 42)
      var log = try MessageLog.open(disk, configuration: LogScript.configuration)
      scripts = [(0, script)]
      for turn in 0..<turns {
        // What this turn offers may be found after a cut in its middle.
        var before = script
        let fault = script.turn(&log)
        #expect(fault == nil)
        before.checker.offerAll(of: script.checker)
        scripts[scripts.count - 1].script = before
        scripts.append((disk.journalCount, script))
        if turn % 5 == 4 { _ = try log.expire(now: script.now) }
      }
      journal = disk.journal
    }
  }

  @Test(
    "Before every write, sync, creation and removal of a run, and again while recovering",
    arguments: SimSurvival.allCases
  )
  func everyOperation(_ survival: SimSurvival) throws {
    let run = try Run(turns: 120)
    #expect(run.journal.count > 500)
    let shadow = SimDisk(seed: 1)
    var state = 0
    var generator = SeededGenerator(seed: 7)
    for (index, operation) in run.journal.enumerated() {
      while state + 1 < run.scripts.count, run.scripts[state + 1].after <= index { state += 1 }
      let script = run.scripts[state].script
      let disk = shadow.copy(seed: UInt64(index))
      disk.powerCut(survival)
      let before = disk.copy(seed: UInt64(index))
      disk.startRecording()
      let recovery = disk.journalCount
      var log = try MessageLog.open(disk, configuration: LogScript.configuration)
      let complaint = try script.complaint(log.view, on: disk)
      #expect(complaint == nil, "cut before operation \(index): \(operation)")

      // Numbers go on where they were.
      var next = log.view[1].nextSequence
      var batch = LogBatch()
      batch.beginRecord(partition: 1)
      try batch.endRecord()
      try log.append(&batch, now: 0)
      try log.commit()
      batch.forEachRecord { #expect($0.sequence == next) }
      next += 1
      #expect(log.view[1].nextSequence == next)

      // The power goes again while the log is being opened.
      for operation in disk.journal.prefix(
        Int.random(in: recovery...disk.journalCount, using: &generator)
      ) {
        try before.apply(operation)
      }
      before.powerCut(survival)
      let again = try MessageLog.open(before, configuration: LogScript.configuration)
      var tolerant = script
      tolerant.checker.acceptsForeign = true
      let second = try tolerant.complaint(again.view, on: before)
      #expect(second == nil, "cut in recovery after a cut before operation \(index)")
      if complaint != nil || second != nil { return }
      try shadow.apply(operation)
    }
  }
}
