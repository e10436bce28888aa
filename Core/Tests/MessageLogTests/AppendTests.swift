import ByteIO
import MessageLog
import Simulation
import Testing

@Suite("Appending and committing")
struct AppendTests {
  @Test("Committed records are read back in order, numbered per partition, across segments")
  func roundTrip() throws {
    let disk = SimDisk(seed: 1)
    var log = try MessageLog.open(disk, configuration: configuration())
    #expect(log.state == .writing)
    var expected: [[[UInt8]]] = [[], [], []]
    for turn in 0..<60 {
      var batch = LogBatch()
      for id in 0..<5 {
        let partition = (turn + id) % 3
        let bytes = payload(UInt64(turn * 5 + id), byteCount: 20 + (turn * 7 + id * 13) % 200)
        try batch.add(bytes, partition: UInt16(partition))
        expected[partition].append(bytes)
      }
      try log.append(&batch, now: 1000 + UInt64(turn))
      try log.commit()
    }
    let view = log.view
    #expect(view.segmentCount > 5)
    for partition in 0..<3 {
      let records = try read(UInt16(partition), view, disk)
      #expect(records.map(\.payload) == expected[partition])
      #expect(records.map(\.sequence) == Array(0..<UInt64(expected[partition].count)))
      #expect(zip(records, records.dropFirst()).allSatisfy { $0.offset < $1.offset })
      #expect(view[UInt16(partition)].nextSequence == UInt64(expected[partition].count))
      #expect(view[UInt16(partition)].lastOffset == records.last?.offset)
    }
    try log.close()

    let reopened = try MessageLog.open(disk, configuration: configuration())
    #expect(reopened.recovery.findings == [])
    for partition in 0..<3 {
      let records = try read(UInt16(partition), reopened.view, disk)
      #expect(records.map(\.payload) == expected[partition])
    }
  }
}
