import ByteIO
import MessageLog
import Simulation
import Testing

@Suite("Simulated disk")
struct SimDiskTests {
  private func write(
    _ bytes: [UInt8],
    _ disk: SimDisk,
    _ file: SimDisk.File,
    at offset: UInt64 = 0
  )
    throws
  {
    try disk.write(bytes.span, to: file, at: offset)
  }

  @Test("A power cut takes what was not synced, and a name needs the directory's sync")
  func powerCut() throws {
    let disk = SimDisk(seed: 1)
    let file = try disk.create("a", byteCount: 2048)
    try write([1, 2, 3], disk, file)
    try disk.sync(file)
    let unnamed = disk.copy(seed: 0)
    unnamed.powerCut(.none)
    #expect(try unnamed.list().isEmpty)
    try disk.syncDirectory()
    try write([9, 9, 9], disk, file)
    let all = disk.copy(seed: 0)
    all.powerCut(.all)
    #expect(all.contents(of: "a")?.prefix(3) == [9, 9, 9])
    disk.powerCut(.none)
    #expect(disk.contents(of: "a")?.prefix(4) == [1, 2, 3, 0])
    #expect(disk.contents(of: "a")?.count == 2048)
  }

  @Test("What survives by luck is whole sectors: a prefix, or any of them")
  func survival() throws {
    var arbitrary = Set<[Bool]>()
    for seed in 0..<UInt64(60) {
      let disk = SimDisk(seed: 9)
      let file = try disk.create("a", byteCount: 2048)
      try disk.sync(file)
      try disk.syncDirectory()
      try write([UInt8](repeating: 1, count: 2048), disk, file)
      let torn = disk.copy(seed: seed)
      torn.powerCut(.prefix)
      let bytes = try #require(torn.contents(of: "a"))
      let kept = bytes.prefix { $0 == 1 }.count
      #expect(kept % 512 == 0)
      #expect(bytes.dropFirst(kept).allSatisfy { $0 == 0 })
      let mixed = disk.copy(seed: seed)
      mixed.powerCut(.arbitrary)
      let contents = try #require(mixed.contents(of: "a"))
      arbitrary.insert((0..<4).map { contents[$0 * 512] == 1 })
    }
    #expect(arbitrary.count > 10)
  }

  @Test("After a failed sync the changes are seen, never arrive, and the next sync succeeds")
  func failedSync() throws {
    var isLost = false
    for seed in 0..<UInt64(20) {
      let disk = SimDisk(seed: seed)
      let file = try disk.create("a", byteCount: 512)
      try disk.sync(file)
      try disk.syncDirectory()
      try write([5], disk, file)
      disk.fail(.sync, with: .io(5))
      #expect(throws: LogDiskFault.io(5)) { try disk.sync(file) }
      #expect(disk.contents(of: "a")?.first == 5)
      try disk.sync(file)
      disk.powerCut(.all)
      isLost = isLost || disk.contents(of: "a")?.first == 0
    }
    #expect(isLost)
  }

  @Test("Space is bounded, and comes back")
  func space() throws {
    let disk = SimDisk(seed: 1, capacityBytes: 1000)
    let file = try disk.create("a", byteCount: 900)
    #expect(throws: LogDiskFault.noSpace) { _ = try disk.create("b", byteCount: 101) }
    #expect(throws: LogDiskFault.noSpace) { try write([1], disk, file, at: 1000) }
    try disk.truncate(file, to: 100)
    _ = try disk.create("b", byteCount: 101)
    #expect(disk.usedBytes == 201)
    try disk.remove("b")
    #expect(throws: LogDiskFault.missing) { try disk.remove("b") }
    #expect(throws: LogDiskFault.missing) { _ = try disk.open("b", forWriting: false) }
  }

  @Test("A removed file stays readable for those who hold it open")
  func removed() throws {
    let disk = SimDisk(seed: 1)
    disk.place([1, 2, 3], as: "a")
    let file = try disk.open("a", forWriting: false)
    try disk.remove("a")
    var bytes: [UInt8] = [0, 0, 0]
    var span = bytes.mutableSpan
    let count = try disk.read(file, at: 1, byteCount: 3, into: &span)
    #expect(count == 2)
    #expect(bytes == [2, 3, 0])
  }
}

@Suite("Log checker")
struct LogCheckerTests {
  /// A log with the records of `ids`, in one partition.
  private func verdict(
    written ids: [UInt64],
    acknowledged: [UInt64],
    damagedByte: Int? = nil
  ) throws -> LogChecker.Verdict {
    let disk = SimDisk(seed: 1)
    var log = try MessageLog.open(disk, configuration: LogScript.configuration)
    var batch = LogBatch()
    for id in ids {
      batch.beginRecord(partition: 0)
      batch.append(LogScript.payload(id))
      try batch.endRecord()
    }
    try log.append(&batch, now: 1)
    try log.commit()
    if let damagedByte {
      disk.flipBit(0, ofByte: damagedByte, in: try disk.list()[0])
    }
    var checker = LogChecker(partitionCount: 3)
    for id in acknowledged { checker.acknowledge(partition: 0, id: id) }
    return try checker.check(log.view, on: disk, identifier: LogScript.identifier)
  }

  private func record(_ id: UInt64) -> LogChecker.Verdict.Record {
    LogChecker.Verdict.Record(partition: 0, id: id)
  }

  @Test("It says what is lost, doubled, out of order, unknown or damaged")
  func verdicts() throws {
    #expect(try verdict(written: [1, 2, 3], acknowledged: [1, 2, 3]).isClean)
    #expect(try verdict(written: [1, 3], acknowledged: [1, 2, 3]).lost == [record(2)])
    #expect(try verdict(written: [1, 2], acknowledged: [1, 2, 3]).lost == [record(3)])
    #expect(try verdict(written: [1, 2, 2], acknowledged: [1, 2]).duplicated == [record(2)])
    #expect(try verdict(written: [2, 1], acknowledged: [1, 2]).reordered == [record(2)])
    #expect(try verdict(written: [1, 8], acknowledged: [1]).unknown == [record(8)])
    let damaged = try verdict(written: [1, 2], acknowledged: [1, 2], damagedByte: 1024 + 33)
    #expect(damaged.lost == [record(1)])
    #expect(damaged.damage.count == 1)
    #expect(!damaged.isClean)
  }
}
