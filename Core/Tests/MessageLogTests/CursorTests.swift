import ByteIO
import MessageLog
import Simulation
import Testing

@Suite("Cursors")
struct CursorTests {
  /// Forty records of partition 1 among as many of others, two per millisecond from 1000 on.
  private func sample() throws -> (disk: SimDisk, view: LogView, records: [Read]) {
    let disk = SimDisk(seed: 1)
    var log = try MessageLog.open(disk, configuration: configuration())
    for id in 0..<UInt64(40) {
      var batch = LogBatch()
      try batch.add(payload(id, byteCount: 100), partition: 0)
      try batch.add(payload(1000 + id, byteCount: 100), partition: 1)
      try log.append(&batch, now: 1000 + id / 2)
      try log.commit()
    }
    return (disk, log.view, try read(1, log.view, disk))
  }

  @Test("Every position, inclusive and exclusive, finds the first record that it asks for")
  func positions() throws {
    let (disk, view, records) = try sample()
    #expect(view.segmentCount > 2)
    #expect(records.count == 40)
    #expect(try read(1, view, disk, from: .latest).isEmpty)
    for (index, record) in records.enumerated() {
      let sameTime = index / 2 * 2
      let table: [(LogStart, Int)] = [
        (.sequence(record.sequence, inclusive: true), index),
        (.sequence(record.sequence, inclusive: false), index + 1),
        (.offset(record.offset, inclusive: true), index),
        (.offset(record.offset, inclusive: false), index + 1),
        (.offset(record.offset - 1, inclusive: false), index),
        (.offset(record.offset + 1, inclusive: true), index + 1),
        (.enqueuedTime(record.time, inclusive: true), sameTime),
        (.enqueuedTime(record.time, inclusive: false), sameTime + 2),
      ]
      for (start, first) in table {
        let found = try read(1, view, disk, from: start)
        #expect(found == Array(records[min(first, 40)...]), "\(start)")
      }
    }
  }

  @Test(
    "Positions outside the log begin at its first record or wait at its end",
    arguments: [
      (LogStart.sequence(0, inclusive: true), 40), (.sequence(40, inclusive: true), 0),
      (.sequence(.max, inclusive: false), 0), (.offset(0, inclusive: true), 40),
      (.offset(.max, inclusive: true), 0), (.enqueuedTime(0, inclusive: false), 40),
      (.enqueuedTime(.max, inclusive: false), 0), (.enqueuedTime(1020, inclusive: true), 0),
    ]
  )
  func outside(_ start: LogStart, _ count: Int) throws {
    let (disk, view, records) = try sample()
    #expect(try read(1, view, disk, from: start) == Array(records.suffix(count)))
  }

  @Test("A cursor at the end goes on with what is committed later, across segments and restarts")
  func follow() throws {
    let disk = SimDisk(seed: 1)
    var cursor = LogCursor(disk: disk, partition: 0)
    var seen: [UInt64] = []
    var id: UInt64 = 0
    for _ in 0..<3 {
      var log = try MessageLog.open(disk, configuration: configuration())
      for _ in 0..<30 {
        var one = try batch([payload(id, byteCount: 150)])
        id += 1
        try log.append(&one, now: 5)
        let early = try cursor.read(in: log.view, maxRecords: 10) { _ in
          Issue.record("read before the commit")
        }
        #expect(early.isAtEnd)
        try log.commit()
        let reading = try cursor.read(in: log.view, maxRecords: 10) { seen.append($0.sequence) }
        #expect(reading.recordCount == 1)
        #expect(reading.damage == [])
      }
    }
    #expect(seen == Array(0..<90))
  }

  @Test("Waiting for a number or an offset that does not exist yet")
  func waiting() throws {
    let disk = SimDisk(seed: 1)
    var log = try MessageLog.open(disk, configuration: configuration())
    var cursor = LogCursor(disk: disk, partition: 0)
    cursor.seek(.sequence(2, inclusive: true), in: log.view)
    var seen: [UInt64] = []
    for id in 0..<UInt64(4) {
      var one = try batch([payload(id, byteCount: 20)])
      try log.append(&one, now: 5)
      try log.commit()
      _ = try cursor.read(in: log.view, maxRecords: 10) { seen.append($0.sequence) }
    }
    #expect(seen == [2, 3])
  }

  @Test("A read ends at the records or the bytes asked for, and gives one record at least")
  func amounts() throws {
    let (disk, view, _) = try sample()
    var cursor = LogCursor(disk: disk, partition: 1)
    cursor.seek(.earliest, in: view)
    var reading = try cursor.read(in: view, maxRecords: 3) { _ in }
    #expect(reading.recordCount == 3)
    #expect(!reading.isAtEnd)
    reading = try cursor.read(in: view, maxRecords: 100, maxBytes: 250) { _ in }
    #expect(reading.recordCount == 2)
    #expect(reading.payloadByteCount == 200)
    reading = try cursor.read(in: view, maxRecords: 100, maxBytes: 1) { _ in }
    #expect(reading.recordCount == 1)
    reading = try cursor.read(in: view, maxRecords: 100) { _ in }
    #expect(reading.recordCount == 34)
    #expect(reading.isAtEnd)
  }

  @Test("A damaged record is stepped over and reported once")
  func damage() throws {
    let (disk, view, records) = try sample()
    let victim = records[5]
    disk.flipBit(0, ofByte: Int(victim.offset) + 40, in: "00000000000000000000.log")
    var cursor = LogCursor(disk: disk, partition: 1)
    cursor.seek(.earliest, in: view)
    let (found, damage, _) = try cursor.readAll(in: view)
    #expect(found == records.filter { $0 != victim })
    #expect(
      damage == [
        LogDamage(
          segment: 0,
          positions: victim.offset..<victim.offset + 132,
          reason: .checksum
        )
      ]
    )
  }

  @Test("A disk that does not read is told, and the cursor goes on where it was")
  func readFault() throws {
    let (disk, view, records) = try sample()
    var cursor = LogCursor(disk: disk, partition: 1, windowByteCount: 4096)
    cursor.seek(.earliest, in: view)
    disk.fail(.read, with: .io(5), after: 1)
    var seen: [UInt64] = []
    #expect(throws: LogFault.disk(.io(5))) {
      _ = try cursor.read(in: view, maxRecords: 100) { seen.append($0.sequence) }
    }
    _ = try cursor.read(in: view, maxRecords: 100) { seen.append($0.sequence) }
    #expect(seen == records.map(\.sequence))
  }
}
