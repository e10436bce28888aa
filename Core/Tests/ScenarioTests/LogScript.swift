import ByteIO
import MessageLog
import Simulation

/// A producer's life with a log, from one seed: turns of several batches, rolls of segments,
/// retention, and the log's answers told to a checker.
struct LogScript {
  static let configuration = LogConfiguration(
    partitionCount: 3,
    segmentBytes: 4096,
    indexIntervalBytes: 512,
    limits: LogLimits(recordBytes: 1024, batchBytes: 3000, uncommittedBytes: 32768),
    retention: LogRetention(byteCount: 12000),
    salt: 0x0123_4567_89AB_CDEF
  )

  var generator: SeededGenerator
  var checker = LogChecker(partitionCount: 3)
  var nextID: UInt64 = 1
  var now: UInt64 = 1_700_000_000_000

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  /// The payload of record `id`, so that every byte of it can be checked.
  static func payload(_ id: UInt64) -> [UInt8] {
    var writer = ByteWriter(capacity: 240)
    writer.uint64LE(id)
    let start = Int(id % 199)
    let more = Int((id &* 0x9E37_79B9_7F4A_7C15) >> 57)
    writer.append(pattern.span.extracting(start..<start + more))
    return writer.bytes
  }

  private static let pattern = (0..<400).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 1) }

  /// The identifier of a payload, if every byte of it is right.
  static func identifier(_ bytes: Span<UInt8>) -> UInt64? {
    var reader = ByteReader(bytes)
    guard let id = reader.uint64LE(), payload(id).span.elementsEqual(bytes) else { return nil }
    return id
  }

  /// One turn of the writer: some batches, one commit; what was committed is acknowledged.
  mutating func turn(_ log: inout MessageLog<SimDisk>) -> LogFault? {
    now += UInt64.random(in: 0...20, using: &generator)
    var appended: [(UInt16, UInt64)] = []
    var fault: LogFault?
    for _ in 0..<Int.random(in: 1...3, using: &generator) {
      var batch = LogBatch(limits: LogScript.configuration.limits)
      var records: [(UInt16, UInt64)] = []
      for _ in 0..<Int.random(in: 1...5, using: &generator) {
        let partition = UInt16.random(in: 0..<3, using: &generator)
        batch.beginRecord(partition: partition)
        batch.append(LogScript.payload(nextID))
        do throws(LogFault) { try batch.endRecord() } catch { return error }
        records.append((partition, nextID))
        checker.offer(partition: partition, id: nextID)
        nextID += 1
      }
      do throws(LogFault) {
        try log.append(&batch, now: now)
        appended += records
      } catch {
        fault = error
      }
    }
    do throws(LogFault) {
      try log.commit()
      for (partition, id) in appended { checker.acknowledge(partition: partition, id: id) }
    } catch {
      fault = error
    }
    return fault
  }

  /// What is wrong with the log; nil if nothing is.
  func complaint(_ view: LogView, on disk: SimDisk) throws -> LogChecker.Verdict? {
    let verdict = try checker.check(view, on: disk, identifier: LogScript.identifier)
    return verdict.isClean ? nil : verdict
  }
}
