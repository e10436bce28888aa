import ByteIO
import MessageLog
import Simulation
import Testing

@Suite("Log: acknowledged is never lost, whatever fails")
struct LogStormTests {
  /// One life of a log on a bad disk: failing writes, syncs and creations, a disk that is full at
  /// times, kills of the process, and power cuts.
  private struct Storm {
    let seed: UInt64
    let disk: SimDisk
    var script: LogScript
    var generator: SeededGenerator
    /// Per partition, how many records readers have been shown: they may not vanish.
    var shown: [UInt64] = [0, 0, 0]
    var faultCount = 0
    var restartCount = 0

    init(seed: UInt64) {
      self.seed = seed
      disk = SimDisk(seed: seed)
      script = LogScript(seed: seed)
      generator = SeededGenerator(seed: ~seed)
    }

    /// Opens the log on a disk that behaves, and checks it.
    mutating func open() throws -> MessageLog<SimDisk> {
      disk.faults = SimDiskFaults()
      let log = try MessageLog.open(disk, configuration: LogScript.configuration)
      try check(log.view)
      var faults = SimDiskFaults()
      faults.writePerMille = Int.random(in: 0...40, using: &generator)
      faults.syncPerMille = Int.random(in: 0...60, using: &generator)
      faults.createPerMille = Int.random(in: 0...100, using: &generator)
      disk.faults = faults
      return log
    }

    mutating func check(_ view: LogView) throws {
      let faults = disk.faults
      disk.faults = SimDiskFaults()
      defer { disk.faults = faults }
      let complaint = try script.complaint(view, on: disk)
      #expect(complaint == nil, "seed \(seed)")
      for partition in 0..<3 {
        let next = view[UInt16(partition)].nextSequence
        #expect(next >= shown[partition], "seed \(seed): records that readers saw vanished")
        shown[partition] = next
      }
    }

    mutating func run(turns: Int) throws {
      var log = try open()
      for _ in 0..<turns {
        disk.capacityBytes =
          Int.random(in: 0..<6, using: &generator) == 0 ? disk.usedBytes : 1 << 30
        if script.turn(&log) != nil { faultCount += 1 }
        shown = (0..<3).map { log.view[$0].nextSequence }
        switch Int.random(in: 0..<30, using: &generator) {
        case 0:
          restartCount += 1
          disk.capacityBytes = 1 << 30
          disk.powerCut(SimSurvival.allCases.randomElement(using: &generator) ?? .none)
          log = try open()
        case 1:
          // A kill: what the kernel holds stays.
          restartCount += 1
          disk.capacityBytes = 1 << 30
          log = try open()
        case 2, 3: _ = try? log.expire(now: script.now)
        default: break
        }
      }
      disk.faults = SimDiskFaults()
      disk.capacityBytes = 1 << 30
      // It writes again by itself.
      let fault = script.turn(&log)
      #expect(fault == nil, "seed \(seed)")
      try check(log.view)
    }
  }

  @Test("Hundreds of seeds")
  func storms() throws {
    var faultCount = 0
    var restartCount = 0
    var acknowledgedCount = 0
    for seed in 0..<UInt64(500) {
      var storm = Storm(seed: seed)
      try storm.run(turns: 40)
      faultCount += storm.faultCount
      restartCount += storm.restartCount
      acknowledgedCount += storm.script.checker.acknowledgedCount
    }
    // The storm must be one.
    #expect(faultCount > 500)
    #expect(restartCount > 300)
    #expect(acknowledgedCount > 20_000)
  }
}
