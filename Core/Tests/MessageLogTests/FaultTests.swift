import ByteIO
import MessageLog
import Simulation
import Testing

@Suite("Failing and full disks")
struct FaultTests {
  private static func ids(_ records: [Read]) -> [UInt64] {
    records.map { record in
      record.payload.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
  }

  @Test("A failed sync commits nothing, and the next group begins a new segment")
  func failedSync() throws {
    let disk = SimDisk(seed: 1)
    var log = try MessageLog.open(disk, configuration: configuration())
    var first = try batch([payload(1, byteCount: 30)])
    try log.append(&first, now: 1)
    try log.commit()
    let end = log.view.committedEnd
    var second = try batch([payload(2, byteCount: 30)])
    try log.append(&second, now: 1)
    disk.fail(.sync, with: .io(5))
    #expect(throws: LogFault.disk(.io(5))) { try log.commit() }
    #expect(log.state == .suspended(.disk(.io(5))))
    #expect(log.view.committedEnd == end)
    #expect(Self.ids(try read(0, log.view, disk)) == [1])

    // The producer asks again: new records, in a file that never failed.
    try log.append(&second, now: 1)
    try log.commit()
    #expect(log.state == .writing)
    #expect(try disk.list().count == 2)
    let records = try read(0, log.view, disk)
    #expect(Self.ids(records) == [1, 2])
    #expect(records.map(\.sequence) == [0, 1])
    disk.powerCut(.none)
    let reopened = try MessageLog.open(disk, configuration: configuration())
    #expect(Self.ids(try read(0, reopened.view, disk)) == [1, 2])
  }

  @Test("A failed write loses the open group: its commit says so once")
  func failedWrite() throws {
    let disk = SimDisk(seed: 1)
    var log = try MessageLog.open(disk, configuration: configuration())
    var first = try batch([payload(1, byteCount: 30)])
    var second = try batch([payload(2, byteCount: 30)])
    var third = try batch([payload(3, byteCount: 30)])
    try log.append(&first, now: 1)
    disk.fail(.write, with: .io(5))
    #expect(throws: LogFault.disk(.io(5))) { try log.append(&second, now: 1) }
    #expect(throws: LogFault.disk(.io(5))) { try log.append(&third, now: 1) }
    #expect(throws: LogFault.disk(.io(5))) { try log.commit() }
    try log.commit()
    try log.append(&third, now: 1)
    try log.commit()
    #expect(Self.ids(try read(0, log.view, disk)) == [3])
  }

  @Test("On a full disk the segment is filled, then refused; it resumes by itself")
  func fullDisk() throws {
    let disk = SimDisk(seed: 1, capacityBytes: 4096)
    var log = try MessageLog.open(disk, configuration: configuration())
    var accepted: [UInt64] = []
    var refusals = 0
    for id in 0..<UInt64(40) {
      var one = try batch([payload(id, byteCount: 200)])
      do throws(LogFault) {
        try log.append(&one, now: 1)
        try log.commit()
        accepted.append(id)
      } catch {
        #expect(error == .full)
        refusals += 1
      }
    }
    #expect(refusals > 20)
    #expect(accepted.count > 10)
    #expect(Self.ids(try read(0, log.view, disk)) == accepted)
    #expect(throws: LogFault.full) {
      var one = try batch([payload(99, byteCount: 1000)])
      try log.append(&one, now: 1)
    }
    disk.capacityBytes = 1 << 20
    for id in 100..<UInt64(140) {
      var one = try batch([payload(id, byteCount: 200)])
      try log.append(&one, now: 1)
      try log.commit()
      accepted.append(id)
    }
    #expect(Self.ids(try read(0, log.view, disk)) == accepted)
  }

  @Test("A full disk refuses the batch that needs room and not those before it in the group")
  func fullDiskInGroup() throws {
    let disk = SimDisk(seed: 1, capacityBytes: 4096)
    var log = try MessageLog.open(disk, configuration: configuration())
    var first = try batch((0..<3).map { payload($0, byteCount: 500) })
    var large = try batch((10..<14).map { payload($0, byteCount: 900) })
    var last = try batch([payload(20, byteCount: 20)])
    try log.append(&first, now: 1)
    #expect(throws: LogFault.full) { try log.append(&large, now: 1) }
    try log.append(&last, now: 1)
    try log.commit()
    #expect(Self.ids(try read(0, log.view, disk)) == [0, 1, 2, 20])
  }

  @Test("With dropOldest the oldest segments make room")
  func dropOldest() throws {
    let disk = SimDisk(seed: 1, capacityBytes: 14000)
    var log = try MessageLog.open(disk, configuration: configuration(whenFull: .dropOldest))
    for id in 0..<UInt64(100) {
      var one = try batch([payload(id, byteCount: 200)])
      try log.append(&one, now: 1)
      try log.commit()
    }
    let kept = Self.ids(try read(0, log.view, disk))
    #expect(kept.last == 99)
    #expect(kept.first.map { $0 > 50 } == true)
    #expect(kept == Array((kept.first ?? 0)...99))
    #expect(log.view[0].firstSequence == kept.first)
  }

  @Test("A log that opens on a full disk is readable and resumes")
  func opensFull() throws {
    let disk = SimDisk(seed: 1)
    do {
      var log = try MessageLog.open(disk, configuration: configuration())
      var one = try batch([payload(1, byteCount: 20)])
      try log.append(&one, now: 1)
      try log.commit()
    }
    disk.capacityBytes = disk.usedBytes
    var log = try MessageLog.open(disk, configuration: configuration())
    #expect(log.state == .suspended(.full))
    #expect(Self.ids(try read(0, log.view, disk)) == [1])
    var two = try batch([payload(2, byteCount: 20)])
    #expect(throws: LogFault.full) { try log.append(&two, now: 1) }
    disk.capacityBytes = 1 << 20
    try log.resume()
    #expect(log.state == .writing)
    try log.append(&two, now: 1)
    try log.commit()
    #expect(Self.ids(try read(0, log.view, disk)) == [1, 2])
  }

  @Test("A fault while a batch crosses into the next segment keeps the log whole")
  func faultsAcrossSegments() throws {
    // Each call that a roll makes fails in turn.
    let calls: [SimDiskCall] = [.create, .write, .sync, .syncDirectory]
    for call in calls {
      for after in 0..<4 {
        let disk = SimDisk(seed: 1)
        var log = try MessageLog.open(disk, configuration: configuration())
        var accepted: [UInt64] = []
        for id in 0..<UInt64(3) {
          var one = try batch([payload(id, byteCount: 500)])
          try log.append(&one, now: 1)
          try log.commit()
          accepted.append(id)
        }
        disk.fail(call, with: .io(5), after: after)
        for group in 0..<UInt64(4) {
          var one = try batch([payload(100 + group, byteCount: 400)])
          var large = try batch((0..<4).map { payload(200 + group * 10 + $0, byteCount: 900) })
          var appended: [UInt64] = []
          do throws(LogFault) {
            try log.append(&one, now: 1)
            appended.append(100 + group)
          } catch {}
          do throws(LogFault) {
            try log.append(&large, now: 1)
            appended += (0..<4).map { 200 + group * 10 + $0 }
          } catch {}
          do throws(LogFault) {
            try log.commit()
            accepted += appended
          } catch {}
        }
        let name = Comment(rawValue: "\(call) fails after \(after)")
        #expect(accepted.count > 10, name)
        #expect(Self.ids(try read(0, log.view, disk)) == accepted, name)
        disk.powerCut(.arbitrary)
        let reopened = try MessageLog.open(disk, configuration: configuration())
        #expect(Self.ids(try read(0, reopened.view, disk)) == accepted, name)
      }
    }
  }

  @Test(
    "What a restart found only in memory after a failed sync is made durable before it is shown"
  )
  func failedSyncThenKill() throws {
    for seed in 0..<UInt64(20) {
      let disk = SimDisk(seed: seed)
      var log = try MessageLog.open(disk, configuration: configuration())
      var first = try batch([payload(1, byteCount: 900)])
      try log.append(&first, now: 1)
      try log.commit()
      var second = try batch([payload(2, byteCount: 900)])
      try log.append(&second, now: 1)
      // The sync fails, and the process is killed before it hears of it.
      disk.fail(.sync, with: .io(5))
      let name = try #require(try disk.list().first)
      let file = try disk.open(name, forWriting: true)
      #expect(throws: LogDiskFault.io(5)) { try disk.sync(file) }
      let shown = try MessageLog.open(disk, configuration: configuration())
      #expect(Self.ids(try read(0, shown.view, disk)) == [1, 2])
      disk.powerCut(.none)
      let again = try MessageLog.open(disk, configuration: configuration())
      #expect(Self.ids(try read(0, again.view, disk)) == [1, 2], "seed \(seed)")
    }
  }

  @Test("A segment that could not be created does not cut off what is committed in its place")
  func halfCreatedSegment() throws {
    let disk = SimDisk(seed: 1)
    var log = try MessageLog.open(disk, configuration: configuration())
    var first = try batch([payload(0, byteCount: 500)])
    try log.append(&first, now: 1)
    try log.commit()
    disk.fail(.syncDirectory, with: .io(5))
    var large = try batch((0..<4).map { payload(90 + $0, byteCount: 900) })
    #expect(throws: LogFault.disk(.io(5))) { try log.append(&large, now: 1) }
    let name = try #require(try disk.list().last)
    let abandoned = try #require(UInt64(name.dropLast(4)))
    #expect(abandoned > log.view.committedEnd)
    var accepted: [UInt64] = [0]
    while log.view.committedEnd <= abandoned {
      let id = UInt64(accepted.count)
      var one = try batch([payload(id, byteCount: 60)])
      try log.append(&one, now: 1)
      try log.commit()
      accepted.append(id)
    }
    #expect(log.view.segmentCount == 1, "the rest must have fitted in the first segment")
    disk.powerCut(.all)
    let reopened = try MessageLog.open(disk, configuration: configuration())
    #expect(Self.ids(try read(0, reopened.view, disk)) == accepted)
  }
}
