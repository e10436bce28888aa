import MessageLog
import Simulation
import Testing

@Suite("Retention")
struct RetentionTests {
  private func fill(
    _ disk: SimDisk,
    retention: LogRetention,
    count: Int
  ) throws -> MessageLog<SimDisk> {
    var log = try MessageLog.open(disk, configuration: configuration(retention: retention))
    for id in 0..<count {
      var one = try batch([payload(UInt64(id), byteCount: 200)])
      try log.append(&one, now: UInt64(id) * 10)
      try log.commit()
    }
    return log
  }

  @Test("By bytes: the oldest whole segments go, never the active one")
  func byBytes() throws {
    let disk = SimDisk(seed: 1)
    var log = try fill(disk, retention: LogRetention(byteCount: 9000), count: 100)
    let before = log.view.segmentCount
    #expect(before > 6)
    let removed = try log.expire(now: 0)
    #expect(log.view.segmentCount == before - removed)
    #expect(log.view.byteCount <= 9000)
    #expect(log.view.byteCount > 4000)
    #expect(try disk.list().count == log.view.segmentCount)
    #expect(try log.expire(now: 0) == 0)
    let first = log.view[0].firstSequence
    #expect(first > 0)
    #expect(try read(0, log.view, disk).map(\.sequence) == Array(first..<100))

    let reopened = try MessageLog.open(disk, configuration: configuration())
    #expect(reopened.recovery.findings == [])
    #expect(reopened.view[0].firstSequence == first)
    #expect(reopened.view[0].nextSequence == 100)
  }

  @Test("By age: a segment goes when its newest record is too old")
  func byAge() throws {
    let disk = SimDisk(seed: 1)
    var log = try fill(disk, retention: LogRetention(ageMilliseconds: 500), count: 100)
    #expect(try log.expire(now: 500) == 0)
    let removed = try log.expire(now: 1000)
    #expect(removed > 0)
    let kept = try read(0, log.view, disk)
    #expect(kept.first.map { $0.time <= 500 } == true, "a younger record went")
    #expect(try log.expire(now: .max) > 0)
    #expect(log.view.segmentCount == 1)
    #expect(log.view[0].nextSequence == 100)
    // A clock that went back removes nothing.
    #expect(try log.expire(now: 0) == 0)
  }

  @Test("By number: segments go when every partition has passed them, never the active one")
  func byNumber() throws {
    let disk = SimDisk(seed: 1)
    var log = try MessageLog.open(disk, configuration: configuration())
    for id in 0..<100 {
      var one = try batch([payload(UInt64(id), byteCount: 200)], partition: UInt16(id % 2))
      try log.append(&one, now: 0)
      try log.commit()
    }
    let before = log.view.segmentCount
    let end = try #require(log.view.oldestSegmentEnd)
    #expect(end[0] > 0 && end[1] > 0 && end[2] == 0)
    #expect(try log.release(before: [end[0], end[1] - 1, 0]) == 0)
    #expect(try log.release(before: [0, .max, .max]) == 0)
    #expect(try log.release(before: end) == 1)
    #expect(log.view.segmentCount == before - 1)
    #expect(log.view[0].firstSequence == end[0])
    #expect(log.view[1].firstSequence == end[1])
    // A record's place is known to an interval of the index, and not beyond it.
    for sequence in end[0]..<50 {
      let bound = log.view.position(before: sequence, in: 0)
      let place = try #require(read(0, log.view, disk).first { $0.sequence == sequence }?.offset)
      #expect(bound <= place)
      #expect(place - bound < 4096)
    }
    #expect(try log.release(before: [.max, .max, .max]) == before - 2)
    #expect(log.view.segmentCount == 1)
    #expect(log.view.oldestSegmentEnd == nil)
    #expect(log.hasRoomInSegment(byteCount: 0, recordCount: 1) == true)
    #expect(log.hasRoomInSegment(byteCount: 4096, recordCount: 1) == false)
    let reopened = try MessageLog.open(disk, configuration: configuration())
    #expect(reopened.recovery.findings == [])
    #expect(reopened.view[1].nextSequence == 50)
  }

  @Test("A cursor that stood in a removed segment goes on at the first kept record and says so")
  func cursorBehind() throws {
    let disk = SimDisk(seed: 1)
    var log = try fill(disk, retention: LogRetention(byteCount: 9000), count: 100)
    var cursor = LogCursor(disk: disk, partition: 0)
    let old = log.view
    cursor.seek(.earliest, in: old)
    _ = try cursor.read(in: old, maxRecords: 3) { _ in }
    _ = try log.expire(now: 0)
    let first = log.view[0].firstSequence
    let (records, damage, resumedAt) = try cursor.readAll(in: log.view)
    #expect(resumedAt == first)
    #expect(damage == [])
    #expect(records.map(\.sequence) == Array(first..<100))

    var late = LogCursor(disk: disk, partition: 0)
    #expect(late.seek(.sequence(1, inclusive: true), in: log.view) == first)
    #expect(late.seek(.sequence(first, inclusive: true), in: log.view) == nil)
    #expect(late.seek(.sequence(first - 1, inclusive: false), in: log.view) == nil)
    #expect(late.seek(.sequence(first - 1, inclusive: true), in: log.view) == first)
    #expect(late.seek(.offset(5, inclusive: true), in: log.view) == first)
    #expect(try late.readAll(in: log.view).records.map(\.sequence) == Array(first..<100))

    // A view from before the removal names files that are gone.
    var stale = LogCursor(disk: disk, partition: 0)
    stale.seek(.earliest, in: old)
    #expect(throws: LogFault.viewOutdated) { _ = try stale.read(in: old, maxRecords: 1) { _ in } }
  }

  @Test("When everything old is gone the numbers still go on, through restarts")
  func emptyKeepsNumbers() throws {
    let disk = SimDisk(seed: 1)
    do {
      var log = try fill(disk, retention: LogRetention(ageMilliseconds: 1), count: 20)
      _ = try log.expire(now: .max)
    }
    for _ in 0..<4 {
      var log = try MessageLog.open(
        disk,
        configuration: configuration(retention: LogRetention(ageMilliseconds: 1))
      )
      _ = try log.expire(now: .max)
      #expect(log.view[0].nextSequence == 20)
      #expect(log.view[0].isEmpty)
      #expect(log.view[0].lastEnqueuedTime == 190)
    }
    var log = try MessageLog.open(disk, configuration: configuration())
    var one = try batch([payload(7, byteCount: 9)])
    try log.append(&one, now: 5)
    try log.commit()
    let records = try read(0, log.view, disk)
    #expect(records.map(\.sequence) == [20])
    // Time does not go back within a partition.
    #expect(records.map(\.time) == [190])
  }
}
