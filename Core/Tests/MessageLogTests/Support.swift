import ByteIO
import MessageLog
import Simulation

/// A small log: segments of a few KiB, so that some dozens of records fill several.
func configuration(
  partitionCount: Int = 3,
  segmentBytes: UInt64 = 4096,
  retention: LogRetention = LogRetention(),
  whenFull: LogFullPolicy = .refuse,
  limits: LogLimits = LogLimits(recordBytes: 1024, batchBytes: 16384, uncommittedBytes: 65536)
) -> LogConfiguration {
  LogConfiguration(
    partitionCount: partitionCount,
    segmentBytes: segmentBytes,
    indexIntervalBytes: 512,
    limits: limits,
    retention: retention,
    whenFull: whenFull,
    salt: 0x5EED_CAFE_F00D_0001
  )
}

/// The payload of record `id`: the identifier, then bytes that follow from it.
func payload(_ id: UInt64, byteCount: Int) -> [UInt8] {
  var writer = ByteWriter(capacity: byteCount)
  writer.uint64LE(id)
  var generator = SeededGenerator(seed: id)
  while writer.count < byteCount { writer.uint8(UInt8.random(in: 0...255, using: &generator)) }
  return writer.bytes
}

/// A record as a test compares it.
struct Read: Equatable {
  var partition: UInt16
  var sequence: UInt64
  var time: UInt64
  var offset: UInt64
  var payload: [UInt8]
}

extension LogBatch {
  mutating func add(_ bytes: [UInt8], partition: UInt16) throws(LogFault) {
    beginRecord(partition: partition)
    append(bytes)
    try endRecord()
  }
}

/// A batch with one record of each payload in `partition`.
func batch(_ payloads: [[UInt8]], partition: UInt16 = 0) throws -> LogBatch {
  var batch = LogBatch()
  for payload in payloads { try batch.add(payload, partition: partition) }
  return batch
}

/// Everything a cursor gives from `start` on.
func read(
  _ partition: UInt16,
  _ view: LogView,
  _ disk: SimDisk,
  from start: LogStart = .earliest
) throws -> [Read] {
  var cursor = LogCursor(disk: disk, partition: partition, windowByteCount: 4096)
  cursor.seek(start, in: view)
  return try cursor.readAll(in: view).records
}

extension LogCursor where Disk == SimDisk {
  mutating func readAll(
    in view: LogView
  ) throws -> (records: [Read], damage: [LogDamage], resumedAt: UInt64?) {
    var records: [Read] = []
    var damage: [LogDamage] = []
    var resumedAt: UInt64?
    while true {
      let reading = try read(in: view, maxRecords: 7) { record in
        records.append(
          Read(
            partition: record.partition,
            sequence: record.sequence,
            time: record.enqueuedTime,
            offset: record.offset,
            payload: record.payload.array()
          )
        )
      }
      damage += reading.damage
      resumedAt = resumedAt ?? reading.resumedAt
      if reading.isAtEnd { return (records, damage, resumedAt) }
    }
  }
}
