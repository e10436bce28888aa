import ByteIO
import MessageLog
import Simulation
import Testing

@Suite("Recovery")
struct RecoveryTests {
  @Test("findings are told with the file's name, what is wrong and what it cost")
  func words() {
    let name = "00000000000000002500"
    let rows: [(LogFinding, [String])] = [
      (
        .cut(segment: 2500, position: 2600, byteCount: 9, reason: .checksum),
        [name, "2600", "9 bytes", "checksum", "acknowledged"]
      ),
      (
        .damaged(LogDamage(segment: 2500, positions: 2600..<2700, reason: .noFrame)),
        [name, "2600 to 2700", "lost"]
      ),
      (.headerDamaged(segment: 2500), [name, "header"]),
      (.emptySegmentRemoved(segment: 2500), [name, "nothing"]),
      (.segmentsMissing(positions: 0..<2500), ["0 to 2500", "lost"]),
      (.foreignFile("notes.txt"), ["notes.txt", "left alone"]),
    ]
    for (finding, parts) in rows {
      for part in parts { #expect("\(finding)".contains(part), "\(finding)") }
    }
  }

  /// A log of a few segments, closed; its records in the order of the log, and where the last
  /// group began.
  private struct Sample {
    let disk = SimDisk(seed: 3)
    var records: [Read] = []
    var lastGroupStart: UInt64 = 0
    var lastSegment = ""

    init(turns: Int = 12) throws {
      var log = try MessageLog.open(disk, configuration: configuration(segmentBytes: 2500))
      for turn in 0..<turns {
        var batch = LogBatch()
        for id in 0..<4 {
          let bytes = payload(UInt64(turn * 4 + id), byteCount: 10 + (turn + id * 17) % 60)
          try batch.add(bytes, partition: UInt16((turn + id) % 3))
        }
        lastGroupStart = log.view.committedEnd
        try log.append(&batch, now: 100 + UInt64(turn))
        try log.commit()
      }
      records = try Sample.all(log.view, disk)
      lastSegment = try disk.list().last ?? ""
      try log.close()
    }

    static func all(_ view: LogView, _ disk: SimDisk) throws -> [Read] {
      var all: [Read] = []
      for partition in 0..<UInt16(3) { all += try read(partition, view, disk) }
      return all.sorted { $0.offset < $1.offset }
    }

    /// Base position of a file, from its name.
    static func base(_ name: String) -> UInt64 { UInt64(name.dropLast(4)) ?? 0 }
  }

  /// Flips a bit of each byte of each file in turn; every record that does not hold the byte must
  /// still be there, unless it follows the damage within the last, unproven group.
  private func flipEveryByte(of sample: Sample, after prepare: (SimDisk) throws -> Void) throws {
    for name in try sample.disk.list() {
      let base = Sample.base(name)
      for offset in 0..<(sample.disk.contents(of: name)?.count ?? 0) {
        let disk = sample.disk.copy(seed: 0)
        try prepare(disk)
        disk.flipBit(offset * 5 + 3, ofByte: offset, in: name)
        let log = try MessageLog.open(disk, configuration: configuration(segmentBytes: 2500))
        let found = try Sample.all(log.view, disk)
        let position = base + UInt64(offset)
        let expected = sample.records.filter { record in
          let end = record.offset + 32 + UInt64(record.payload.count)
          return end <= position || (record.offset > position && position < sample.lastGroupStart)
        }
        let known = Set(sample.records.map(\.offset))
        let kept = found.filter { known.contains($0.offset) }
        let isComplete = expected.allSatisfy { found.contains($0) }
        let isTrue = kept.count == found.count && kept.allSatisfy { sample.records.contains($0) }
        if !isComplete || !isTrue {
          Issue.record("byte \(offset) of \(name): \(log.recovery)")
          return
        }
      }
    }
  }

  @Test("A changed bit costs the record that holds it and no other")
  func bitRot() throws {
    let sample = try Sample()
    #expect(try sample.disk.list().count > 2)
    try flipEveryByte(of: sample) { _ in }
  }

  @Test("Nor does it when the segments have lost their index and are scanned")
  func bitRotWithoutIndex() throws {
    let sample = try Sample()
    try flipEveryByte(of: sample) { disk in
      for name in try disk.list() where name != sample.lastSegment {
        disk.flipBit(0, ofByte: (disk.contents(of: name)?.count ?? 1) - 1, in: name)
      }
    }
  }

  @Test("A clean stop leaves nothing to tell")
  func cleanStop() throws {
    let sample = try Sample()
    let log = try MessageLog.open(sample.disk, configuration: configuration(segmentBytes: 2500))
    #expect(log.recovery.findings == [])
    #expect(log.recovery.segmentCount > 1)
  }

  @Test("Restarting again and again neither loses nor piles up anything")
  func idleRestarts() throws {
    let sample = try Sample()
    var names: [String] = []
    for turn in 0..<5 {
      let log = try MessageLog.open(sample.disk, configuration: configuration(segmentBytes: 2500))
      #expect(try Sample.all(log.view, sample.disk) == sample.records)
      if turn > 0 { #expect(try sample.disk.list() == names) }
      names = try sample.disk.list()
    }
  }

  @Test("A torn tail is cut and told exactly; numbers go on")
  func tornTail() throws {
    let disk = SimDisk(seed: 1)
    var end: UInt64 = 0
    do {
      var log = try MessageLog.open(disk, configuration: configuration())
      var first = try batch([payload(1, byteCount: 50)])
      try log.append(&first, now: 1)
      try log.commit()
      end = log.view.committedEnd
    }
    let name = try #require(try disk.list().first)
    // Half of another record: its frame and payload, without the rest.
    var bytes = try #require(disk.contents(of: name))
    for index in 0..<70 { bytes[Int(end) + index] = UInt8(truncatingIfNeeded: index &+ 1) }
    disk.place(bytes, as: name)
    var log = try MessageLog.open(disk, configuration: configuration())
    #expect(
      log.recovery.findings == [
        .cut(segment: 0, position: end, byteCount: 70, reason: .noFrame)
      ]
    )
    var second = try batch([payload(2, byteCount: 50)])
    try log.append(&second, now: 1)
    try log.commit()
    let records = try read(0, log.view, disk)
    #expect(records.map(\.sequence) == [0, 1])
    #expect(records.map(\.payload) == [payload(1, byteCount: 50), payload(2, byteCount: 50)])
  }

  @Test("A record that was written but not committed may be kept, once, and stays")
  func writtenNotCommitted() throws {
    let disk = SimDisk(seed: 1)
    do {
      var log = try MessageLog.open(disk, configuration: configuration())
      var first = try batch([payload(1, byteCount: 50)])
      try log.append(&first, now: 1)
    }
    let killed = disk.copy(seed: 0)
    let log = try MessageLog.open(killed, configuration: configuration())
    #expect(try read(0, log.view, killed).count == 1)
    killed.powerCut(.none)
    let again = try MessageLog.open(killed, configuration: configuration())
    #expect(try read(0, again.view, killed).count == 1)
    disk.powerCut(.none)
    let cut = try MessageLog.open(disk, configuration: configuration())
    #expect(try read(0, cut.view, disk).isEmpty)
  }

  @Test("The number of partitions is fixed at creation")
  func partitionCount() throws {
    let disk = SimDisk(seed: 1)
    _ = try MessageLog.open(disk, configuration: configuration(partitionCount: 3))
    #expect(throws: LogFault.partitionCount(found: 3, asked: 4)) {
      _ = try MessageLog.open(disk, configuration: configuration(partitionCount: 4))
    }
  }

  @Test("A log without any readable header is not guessed at")
  func headersLost() throws {
    let disk = SimDisk(seed: 1)
    disk.place([UInt8](repeating: 0xA5, count: 4096), as: "00000000000000000000.log")
    #expect(throws: LogFault.headersLost(0)) {
      _ = try MessageLog.open(disk, configuration: configuration())
    }
  }

  @Test(
    "A first segment that was never finished is begun again",
    arguments: [[], [UInt8](repeating: 0, count: 4096), [UInt8](repeating: 7, count: 300)]
  )
  func unfinishedCreation(_ bytes: [UInt8]) throws {
    let disk = SimDisk(seed: 1)
    disk.place(bytes, as: "00000000000000000000.log")
    let log = try MessageLog.open(disk, configuration: configuration())
    #expect(log.recovery.findings == [.emptySegmentRemoved(segment: 0)])
    #expect(log.state == .writing)
  }

  @Test("Files of others are left alone")
  func foreignFiles() throws {
    let disk = SimDisk(seed: 1)
    disk.place([1, 2, 3], as: "lost+found")
    disk.place([1, 2, 3], as: "0000000000000000000x.log")
    disk.place([1, 2, 3], as: "99999999999999999999.log")
    let log = try MessageLog.open(disk, configuration: configuration())
    #expect(log.recovery.findings.count == 3)
    #expect(disk.contents(of: "lost+found") == [1, 2, 3])
  }

  @Test("A segment that is gone is named, and the others stay readable")
  func missingSegment() throws {
    let sample = try Sample()
    let names = try sample.disk.list()
    try sample.disk.remove(names[1])
    let log = try MessageLog.open(sample.disk, configuration: configuration(segmentBytes: 2500))
    let gap = Sample.base(names[1])..<Sample.base(names[2])
    #expect(log.recovery.findings == [.segmentsMissing(positions: gap)])
    let found = try Sample.all(log.view, sample.disk)
    #expect(found == sample.records.filter { !gap.contains($0.offset) })
  }
}
