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
