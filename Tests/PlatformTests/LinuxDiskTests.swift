import ByteIO
import CoreMetrics
import Foundation
import MessageLog
import Platform
import Testing

@Suite("The log on a real disk")
struct LinuxDiskTests {
  private func fill(_ log: inout MessageLog<LinuxDisk>, _ range: Range<Int>) throws {
    var batch = LogBatch()
    for number in range {
      batch.beginRecord(partition: UInt16(number % 2))
      batch.append(Array("record \(number)".utf8))
      try batch.endRecord()
    }
    try log.append(&batch, now: 1_000)
    try log.commit()
  }

  @Test("what is committed is there after opening again, in order")
  func persists() throws {
    let directory = try TemporaryDirectory()
    let disk = LinuxDisk(directory: directory.path)
    let configuration = LogConfiguration(partitionCount: 2, segmentBytes: 2 << 20, salt: 7)
    do {
      var log = try MessageLog.open(disk, configuration: configuration)
      try fill(&log, 0..<100)
      try fill(&log, 100..<200)
    }
    let log = try MessageLog.open(disk, configuration: configuration)
    #expect(log.view[0].nextSequence == 100)
    #expect(log.view[1].nextSequence == 100)
    var cursor = LogCursor(disk: disk, partition: 1)
    cursor.seek(.earliest, in: log.view)
    var found: [String] = []
    _ = try cursor.read(in: log.view, maxRecords: 1_000, maxBytes: 1 << 20) { record in
      var bytes: [UInt8] = []
      for index in record.payload.indices { bytes.append(record.payload[index]) }
      found.append(String(decoding: bytes, as: UTF8.self))
    }
    #expect(found == (0..<200).filter { $0 % 2 == 1 }.map { "record \($0)" })
  }

  @Test("a left-over that cannot be removed keeps nobody from listing the directory")
  func listsPastFailures() throws {
    let directory = try TemporaryDirectory()
    let disk = LinuxDisk(directory: directory.path)
    // Where the file of the spare segment would be; unlinking a directory fails.
    try FileManager.default.createDirectory(
      atPath: directory.path + "/.spare",
      withIntermediateDirectories: false
    )
    for name in ["a", "b"] { disk.close(try disk.create(name, byteCount: 4_096)) }
    #expect(try disk.list().sorted() == ["a", "b"])
    #expect(throws: LogDiskFault.missing) {
      try LinuxDisk(directory: directory.path + "/nowhere").list()
    }
  }

  /// A byte that tells its offset, so that a displaced one shows.
  private func pattern(_ range: Range<Int>) -> [UInt8] {
    range.map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 8 ^ $0 >> 16) }
  }

  @Test(
    "what was written reads back from memory, from the file, and by others",
    arguments: ["/tmp", "/dev/shm"]
  )
  func tail(folder: String) throws {
    let directory = try TemporaryDirectory(in: folder)
    let disk = LinuxDisk(directory: directory.path)
    let size = 12 << 20
    let file = try disk.create("a", byteCount: UInt64(size))
    // A header, then writes of every alignment, together more than what is kept in memory.
    var end = 0
    for length in [1_000, 3_096, 1, 4_095, 4_096, 4_097, 700_001, 3 << 20, 5 << 20, 12_345] {
      try disk.write(pattern(end..<end + length).span, to: file, at: UInt64(end))
      end += length
      try disk.sync(file)
      let reader = try disk.open("a", forWriting: false)
      defer { disk.close(reader) }
      for start in Set([0, max(0, end - 100), max(0, end - length - 10), end / 2]) {
        var bytes = [UInt8](repeating: 0xEE, count: end - start)
        var span = bytes.mutableSpan
        let count = try disk.read(reader, at: UInt64(start), byteCount: end - start, into: &span)
        #expect(count == end - start)
        #expect(bytes == pattern(start..<end), "\(start)..<\(end)")
      }
    }
    try disk.truncate(file, to: UInt64(end))
    disk.close(file)
    let whole = try Data(contentsOf: URL(fileURLWithPath: directory.path + "/a"))
    #expect(Array(whole) == pattern(0..<end))
  }

  @Test("a name that is used again shows nothing of its former bytes")
  func reusedName() throws {
    let directory = try TemporaryDirectory()
    let disk = LinuxDisk(directory: directory.path)
    var file = try disk.create("a", byteCount: 1 << 20)
    try disk.write([UInt8](repeating: 1, count: 512).span, to: file, at: 0)
    try disk.write([UInt8](repeating: 2, count: 512).span, to: file, at: 512)
    disk.close(file)
    try disk.remove("a")
    file = try disk.create("a", byteCount: 1 << 20)
    var bytes = [UInt8](repeating: 0xEE, count: 1_024)
    var span = bytes.mutableSpan
    #expect(try disk.read(file, at: 0, byteCount: 1_024, into: &span) == 1_024)
    #expect(bytes == [UInt8](repeating: 0, count: 1_024))
    disk.close(file)
  }

  @Test("a busy log finds its next segment ready and zeroed; an opened one forgets the spare")
  func spare() async throws {
    let directory = try TemporaryDirectory()
    let disk = LinuxDisk(directory: directory.path)
    let size: UInt64 = 1 << 20
    let first = try disk.create("a", byteCount: size)
    try disk.write([UInt8](repeating: 7, count: 600_000).span, to: first, at: 0)
    try disk.write([UInt8](repeating: 7, count: 100).span, to: first, at: 600_000)
    let path = directory.path + "/.spare"
    for _ in 0..<500 where !FileManager.default.fileExists(atPath: path) {
      try await Pause.sleep(for: .milliseconds(10))
    }
    #expect(FileManager.default.fileExists(atPath: path))
    var second: LinuxDisk.File?
    // It is taken once it is complete; asked for earlier, the log gets another file.
    for number in 0..<500 where FileManager.default.fileExists(atPath: path) {
      if let second { disk.close(second) }
      try await Pause.sleep(for: .milliseconds(10))
      second = try disk.create("b\(number)", byteCount: size)
    }
    let file = try #require(second)
    #expect(try disk.byteCount(of: file) == size)
    var bytes = [UInt8](repeating: 0xEE, count: Int(size))
    var span = bytes.mutableSpan
    #expect(try disk.read(file, at: 0, byteCount: Int(size), into: &span) == Int(size))
    #expect(bytes.allSatisfy { $0 == 0 })
    disk.close(file)
    #expect(FileManager.default.createFile(atPath: path, contents: Data([1])))
    #expect(try !disk.list().contains(".spare"))
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test("a disk that keeps nothing writes and reads all the same")
  func notDurable() throws {
    let directory = try TemporaryDirectory()
    let disk = LinuxDisk(directory: directory.path, isDurable: false)
    let file = try disk.create("a", byteCount: 8_192)
    try disk.write(pattern(0..<5_000).span, to: file, at: 0)
    try disk.sync(file)
    var bytes = [UInt8](repeating: 0, count: 5_000)
    var span = bytes.mutableSpan
    #expect(try disk.read(file, at: 0, byteCount: 5_000, into: &span) == 5_000)
    #expect(bytes == pattern(0..<5_000))
    disk.close(file)
  }

  @Test("the processor's CRC-32C agrees with the tables at every length")
  func checksum() {
    let tables = CRC32C()
    let machine = Machine.crc32c()
    let bytes = pattern(0..<300)
    for length in 0...300 {
      let part = bytes.span.extracting(0..<length)
      #expect(machine.checksum(part) == tables.checksum(part))
      let rest = bytes.span.extracting(length..<300)
      #expect(
        machine.checksum(rest, continuing: machine.checksum(part)) == tables.checksum(bytes.span)
      )
    }
  }

  @Test("a file that is not there is missing, not an error of the disk")
  func missing() throws {
    let directory = try TemporaryDirectory()
    let disk = LinuxDisk(directory: directory.path)
    #expect(throws: LogDiskFault.missing) { _ = try disk.open("none", forWriting: false) }
    #expect((disk.freeByteCount ?? 0) > 0)
  }
}

@Suite("Metrics in the text format")
struct PrometheusMetricsTests {
  @Test("counters add up, labels are escaped, collected samples are described once")
  func page() {
    let metrics = PrometheusMetrics()
    metrics.makeCounter(label: "a.b", dimensions: [("k", "x\"y\n")]).increment(by: 2)
    metrics.makeCounter(label: "a.b", dimensions: [("k", "x\"y\n")]).increment(by: 3)
    metrics.collect {
      [
        PrometheusMetrics.Sample("c", .gauge, "Help.", labels: [("p", "0")], value: 1),
        PrometheusMetrics.Sample("c", .gauge, "Help.", labels: [("p", "1")], value: 2.5),
      ]
    }
    let page = metrics.page()
    #expect(page.contains("a_b{k=\"x\\\"y\\n\"} 5\n"))
    #expect(page.contains("c{p=\"0\"} 1\nc{p=\"1\"} 2.5\n"))
    #expect(page.components(separatedBy: "# TYPE c gauge").count == 2)
  }
}
