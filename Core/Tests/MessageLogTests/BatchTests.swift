import ByteIO
import MessageLog
import Simulation
import Testing

@Suite("Batches")
struct BatchTests {
  private let limits = LogLimits(recordBytes: 100, batchBytes: 300, uncommittedBytes: 500)

  @Test("A record that is too long is taken out, and the batch stays usable")
  func tooLong() throws {
    var batch = LogBatch(limits: limits)
    try batch.add([UInt8](repeating: 1, count: 100), partition: 0)
    let before = batch.byteCount
    #expect(throws: LogFault.recordTooLarge(byteCount: 101, limit: 100)) {
      try batch.add([UInt8](repeating: 1, count: 101), partition: 0)
    }
    #expect(batch.byteCount == before)
    #expect(!batch.isRecordOpen)
    try batch.add([1], partition: 0)
    #expect(batch.recordCount == 2)
  }

  @Test("A batch that is full refuses the record and keeps the others")
  func full() throws {
    var batch = LogBatch(limits: limits)
    try batch.add([UInt8](repeating: 1, count: 100), partition: 0)
    try batch.add([UInt8](repeating: 1, count: 100), partition: 0)
    #expect(!batch.hasRoom(forPayloadByteCount: 5))
    #expect(batch.hasRoom(forPayloadByteCount: 4))
    #expect(throws: LogFault.batchFull(limit: 300)) {
      try batch.add([1, 2, 3, 4, 5], partition: 0)
    }
    try batch.add([1, 2, 3, 4], partition: 0)
    #expect(batch.byteCount == 300)
  }

  @Test("A batch for a partition that does not exist is refused as a whole")
  func unknownPartition() throws {
    let disk = SimDisk(seed: 1)
    var log = try MessageLog.open(disk, configuration: configuration())
    var batch = LogBatch()
    try batch.add([1], partition: 0)
    try batch.add([2], partition: 3)
    #expect(throws: LogFault.partitionUnknown(3)) { try log.append(&batch, now: 1) }
    try log.commit()
    #expect(log.view[0].isEmpty)
  }

  @Test("A group that grows too long is refused until it is committed")
  func groupFull() throws {
    let disk = SimDisk(seed: 1)
    var log = try MessageLog.open(disk, configuration: configuration(limits: limits))
    var batch = LogBatch(limits: limits)
    try batch.add([UInt8](repeating: 1, count: 100), partition: 0)
    try batch.add([UInt8](repeating: 1, count: 100), partition: 0)
    try log.append(&batch, now: 1)
    #expect(throws: LogFault.groupFull(limit: 500)) { try log.append(&batch, now: 1) }
    try log.commit()
    try log.append(&batch, now: 1)
    try log.commit()
    #expect(log.view[0].nextSequence == 4)
  }

  @Test("After appending, a batch knows what its records were stamped with")
  func stamps() throws {
    let disk = SimDisk(seed: 1)
    var log = try MessageLog.open(disk, configuration: configuration())
    var batch = LogBatch()
    try batch.add([10], partition: 2)
    try batch.add([11, 12], partition: 1)
    try batch.add([13], partition: 2)
    batch.beginRecord(partition: 0)
    batch.uint16(0xABCD)
    batch.cancelRecord()
    try log.append(&batch, now: 77)
    try log.commit()
    var stamps: [StampedRecord] = []
    var payloads: [[UInt8]] = []
    batch.forEachRecord {
      stamps.append($0)
      payloads.append(batch.storage.extracting($0.payloadRange).array())
    }
    #expect(stamps.map(\.partition) == [2, 1, 2])
    #expect(stamps.map(\.sequence) == [0, 0, 1])
    #expect(stamps.map(\.enqueuedTime) == [77, 77, 77])
    #expect(payloads == [[10], [11, 12], [13]])
    batch.removeAll()
    #expect(batch.isEmpty)
    #expect(batch.byteCount == 0)
  }

  @Test("Enqueued time never goes back within a partition")
  func time() throws {
    let disk = SimDisk(seed: 1)
    var log = try MessageLog.open(disk, configuration: configuration())
    for now in [UInt64(50), 40, 60, 10] {
      var batch = LogBatch()
      try batch.add([1], partition: 0)
      if now == 10 { try batch.add([1], partition: 1) }
      try log.append(&batch, now: now)
      try log.commit()
    }
    #expect(try read(0, log.view, disk).map(\.time) == [50, 50, 60, 60])
    #expect(try read(1, log.view, disk).map(\.time) == [10])
  }

  @Test("Misuse by our own code traps")
  func misuse() async {
    await #expect(processExitsWith: .failure) {
      var batch = LogBatch()
      batch.uint8(1)
    }
    await #expect(processExitsWith: .failure) {
      var batch = LogBatch()
      batch.beginRecord(partition: 0)
      batch.beginRecord(partition: 0)
    }
  }
}
