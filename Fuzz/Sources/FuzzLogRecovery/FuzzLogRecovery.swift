import ByteIO
import MessageLog
import Simulation

/// Any damage to a log's files: opening does not trap, what is read was written, and it stays.
///
/// The first byte chooses between a file of any bytes (even) and changes to a log of three segments
/// (odd), each of four bytes: file, offset (two), new value.
@c(LLVMFuzzerTestOneInput)
public func fuzzLogRecovery(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  guard let choice = bytes.first else { return 0 }
  let disk: SimDisk
  if choice & 1 == 0 {
    disk = SimDisk(seed: 0)
    disk.place(Array(bytes.dropFirst()), as: "00000000000000000000.log")
  } else {
    disk = Sample.damaged(by: bytes.dropFirst())
  }
  let first: [Sample.Record]
  do throws(LogFault) {
    first = try Sample.openAndAppend(disk)
  } catch {
    // The refusals that opening may answer such files with.
    switch error {
    case .headersLost, .partitionCount, .formatVersion: return 0
    default: preconditionFailure("opening failed: \(error)")
    }
  }
  if choice & 1 == 1 {
    precondition(first.allSatisfy { Sample.isWritten($0) }, "a record was read that is none")
  }
  // Opening again finds the same and the one that was appended.
  guard let second = try? Sample.openAndAppend(disk) else {
    preconditionFailure("what was opened can't be opened again")
  }
  precondition(Array(second.prefix(first.count)) == first, "records vanished or changed")
  precondition(second.count == first.count + 1, "the appended record is not there")
  return 0
}

/// The log that is damaged, and how it is read.
enum Sample {
  struct Record: Hashable {
    var sequence: UInt64
    var payload: [UInt8]
  }

  private static let configuration = LogConfiguration(
    partitionCount: 1,
    segmentBytes: 1900,
    indexIntervalBytes: 200,
    limits: LogLimits(recordBytes: 300),
    salt: 77
  )

  /// Contents of the files of an undamaged log, by name.
  private static let files: [(name: String, bytes: [UInt8])] = {
    let disk = SimDisk(seed: 0)
    guard var log = try? MessageLog.open(disk, configuration: configuration) else { return [] }
    for id in 0..<24 {
      var batch = LogBatch()
      append([UInt8](repeating: UInt8(id), count: id * 5), to: &batch)
      guard (try? log.append(&batch, now: UInt64(id))) != nil, (try? log.commit()) != nil else {
        return []
      }
    }
    return ((try? disk.list()) ?? []).map { ($0, disk.contents(of: $0) ?? []) }
  }()

  private static func append(_ payload: [UInt8], to batch: inout LogBatch) {
    batch.beginRecord(partition: 0)
    batch.append(payload)
    precondition((try? batch.endRecord()) != nil, "the sample's record was refused")
  }

  static func isWritten(_ record: Record) -> Bool {
    record.sequence < 24
      && record.payload
        == [UInt8](repeating: UInt8(record.sequence), count: Int(record.sequence) * 5)
  }

  static func damaged(by edits: ArraySlice<UInt8>) -> SimDisk {
    precondition(files.count > 2, "the sample has too few segments")
    var files = self.files
    var rest = edits
    while rest.count >= 4 {
      let edit = Array(rest.prefix(4))
      rest = rest.dropFirst(4)
      let file = Int(edit[0]) % files.count
      let offset = (Int(edit[1]) << 8 | Int(edit[2])) % files[file].bytes.count
      files[file].bytes[offset] = edit[3]
    }
    let disk = SimDisk(seed: 0)
    for file in files { disk.place(file.bytes, as: file.name) }
    return disk
  }

  /// Opens the log, reads everything, and appends one record more.
  static func openAndAppend(_ disk: SimDisk) throws(LogFault) -> [Record] {
    var log = try MessageLog.open(disk, configuration: configuration)
    var records: [Record] = []
    var cursor = LogCursor(disk: disk, partition: 0, windowByteCount: 4096)
    cursor.seek(.earliest, in: log.view)
    var isAtEnd = false
    while !isAtEnd {
      isAtEnd = try cursor.read(in: log.view, maxRecords: 50) {
        records.append(Record(sequence: $0.sequence, payload: $0.payload.array()))
      }.isAtEnd
    }
    for (record, next) in zip(records, records.dropFirst()) {
      precondition(record.sequence < next.sequence, "numbers do not ascend")
    }
    var batch = LogBatch()
    append([], to: &batch)
    try log.append(&batch, now: 0)
    try log.commit()
    return records
  }
}
