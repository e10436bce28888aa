import MessageLog
import Simulation
import Testing

@Suite("A turn's batches: each is told what became of it")
struct GroupTests {
  /// Writes batches of one record each, of which two fill a group, and answers faults and records.
  private static func write(
    _ count: UInt64,
    failing sync: Int? = nil
  ) throws -> (faults: [LogFault?], kept: [UInt64]) {
    let disk = SimDisk(seed: 1)
    let limits = LogLimits(recordBytes: 1024, batchBytes: 1024, uncommittedBytes: 1200)
    var log = try MessageLog.open(disk, configuration: configuration(limits: limits))
    var batches = try (0..<count).map { try batch([payload($0, byteCount: 500)]) }
    if let sync { disk.fail(.sync, with: .io(5), after: sync) }
    let faults = log.write(count: batches.count) { log, index throws(LogFault) in
      try log.append(&batches[index], now: 1)
    }
    let kept = try read(0, log.view, disk).map { record in
      record.payload.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }
    return (faults, kept)
  }

  @Test("a full group is committed, and what did not fit begins the next")
  func severalCommits() throws {
    let (faults, kept) = try Self.write(5)
    #expect(faults == [nil, nil, nil, nil, nil])
    #expect(kept == [0, 1, 2, 3, 4])
  }

  @Test("a commit that fails is told to its own batches, wherever in the turn it stands")
  func failedCommit() throws {
    let fault = LogFault.disk(.io(5))
    for (sync, expected) in [
      (0, [fault, fault, nil, nil, nil]),
      (1, [nil, nil, fault, fault, nil]),
    ] as [(Int, [LogFault?])] {
      let (faults, kept) = try Self.write(5, failing: sync)
      #expect(faults == expected)
      #expect(kept == (0..<5).filter { expected[Int($0)] == nil })
    }
  }

  @Test("a batch that is refused leaves the others alone")
  func refusedBatch() throws {
    let disk = SimDisk(seed: 1)
    var log = try MessageLog.open(disk, configuration: configuration())
    var good = try batch([payload(1, byteCount: 30)])
    var bad = try batch([payload(2, byteCount: 30)], partition: 99)
    let faults = log.write(count: 3) { log, index throws(LogFault) in
      if index == 1 { try log.append(&bad, now: 1) } else { try log.append(&good, now: 1) }
    }
    #expect(faults == [nil, .partitionUnknown(99), nil])
    #expect(log.write(count: 0) { _, _ in }.isEmpty)
  }
}
