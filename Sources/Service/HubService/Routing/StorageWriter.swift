import ByteIO
import HubContract
import HubEngine
import MessageLog
import Platform

/// Fills the files of one storage endpoint from the log.
///
/// `StorageBatch` says what happens to each partition; this reads, encodes and writes. A file is written
/// under a name that ends with `.part` and gets its own when it is durable.
struct StorageWriter {
  private struct Lane {
    let partition: UInt16
    var batch: StorageBatch
    var cursor: LogCursorBox
    var file: UnfinishedFile?
    var firstSequence: UInt64 = 0
    var firstTime = Timestamp.epoch
  }

  /// Records of one read.
  private static let recordsPerRead = 512
  private static let bytesPerRead = 4 << 20

  private let endpoint: RoutingEndpoint
  private let settings: StorageEndpoint
  private let folder: String
  private let hubName: String
  private let log: EventLog
  private let checkpoint: EndpointCheckpoint
  private var lanes: [Lane]

  init(
    _ endpoint: RoutingEndpoint,
    _ settings: StorageEndpoint,
    root: String,
    hubName: String,
    log: EventLog,
    checkpoint: EndpointCheckpoint
  ) {
    self.endpoint = endpoint
    self.settings = settings
    folder = "\(root)/\(settings.container)"
    self.hubName = hubName
    self.log = log
    self.checkpoint = checkpoint
    // Without a checkpoint everything that is kept is read: rather twice than never.
    let stored = checkpoint.read() ?? []
    lanes = (0..<UInt16(log.partitionCount)).map { partition in
      let position = stored.indices.contains(Int(partition)) ? stored[Int(partition)] : 0
      return Lane(
        partition: partition,
        batch: StorageBatch(
          position: position,
          maximumBytes: settings.batchBytes,
          maximumSeconds: settings.batchSeconds
        ),
        cursor: LogCursorBox(log.makeCursor(partition: partition))
      )
    }
  }

  /// Reads what is there, and finishes what is due.
  mutating func turn() -> [EndpointOutcome] {
    var outcomes: [EndpointOutcome] = []
    for index in lanes.indices {
      let now = SystemClock.now()
      switch lanes[index].batch.timeout(now: now) {
      case .finish: outcomes.append(finish(index))
      case .read, .none: break
      }
      outcomes += read(index)
    }
    return outcomes
  }

  /// Whether everything before `ends`, by partition, is dealt with.
  func hasReached(_ ends: [UInt64]) -> Bool {
    zip(lanes, ends).allSatisfy { lane, end in lane.batch.position >= end }
  }

  /// Finishes what is open, because the hub stops, its routes change or the endpoint is removed.
  mutating func drain() -> [EndpointOutcome] {
    lanes.indices.compactMap { lanes[$0].batch.drain() == .finish ? finish($0) : nil }
  }

  private mutating func read(_ index: Int) -> [EndpointOutcome] {
    var outcomes: [EndpointOutcome] = []
    while lanes[index].batch.isReading {
      let view = log.view
      let start = lanes[index].batch.next
      var found: [RoutedMessage] = []
      var first: UInt64?
      var end = start
      let reading: LogReading
      do throws(LogFault) {
        reading = try lanes[index].cursor.read(
          from: start,
          in: view,
          maxRecords: Self.recordsPerRead,
          maxBytes: Self.bytesPerRead
        ) { record in
          if first == nil { first = record.sequence }
          end = record.sequence + 1
          if let message = RoutedMessage(record, at: endpoint.destination) { found.append(message) }
        }
      } catch {
        outcomes.append(.failed("the log cannot be read: \(error)"))
        break
      }
      // Where nothing was read, the view says what is still there.
      let kept = view[lanes[index].partition]
      if let begin = first ?? (reading.isAtEnd ? kept.nextSequence : nil), begin > start {
        outcomes.append(.lost(begin - start, partition: lanes[index].partition))
        end = max(end, begin)
        if lanes[index].batch.count == 0 {
          lanes[index].batch.skipped(to: begin)
          // Durable, so that it is told once. If that fails it is told again.
          try? checkpoint.write(lanes.map(\.batch.position))
        }
      }
      var next = 0
      while next < found.count, lanes[index].batch.isReading {
        let encoded = encode(found[next])
        switch lanes[index].batch.found(
          found[next].sequence,
          byteCount: encoded.count,
          now: SystemClock.now()
        ) {
        case .write(let isFirst):
          if let failure = write(encoded, of: found[next], isFirst: isFirst, index) {
            outcomes.append(failure)
            return outcomes
          }
          next += 1
        case .finish: outcomes.append(finish(index))
        case .none: return outcomes
        }
      }
      guard lanes[index].batch.isReading else { break }
      lanes[index].batch.skipped(to: end)
      if reading.isAtEnd || end == start { break }
    }
    return outcomes
  }

  private func encode(_ message: RoutedMessage) -> [UInt8] {
    switch settings.encoding {
    case .avro: message.avroRecord
    case .json: message.jsonLine
    }
  }

  private mutating func write(
    _ encoded: [UInt8],
    of message: RoutedMessage,
    isFirst: Bool,
    _ index: Int
  ) -> EndpointOutcome? {
    do throws(FileFault) {
      if isFirst {
        try PrivateFile.makeDirectory(folder)
        lanes[index].file = try UnfinishedFile(
          // One that drains may have the name of another.
          "\(folder)/.\(endpoint.name)-\(endpoint.slot)-\(message.partition).part",
          encoding: settings.encoding
        )
        lanes[index].firstSequence = message.sequence
        lanes[index].firstTime = message.enqueuedTime
      }
      try lanes[index].file?.append(encoded)
      return nil
    } catch {
      return giveUp(index, error)
    }
  }

  private mutating func giveUp(_ index: Int, _ fault: FileFault) -> EndpointOutcome {
    lanes[index].file = nil
    _ = lanes[index].batch.failed(
      now: SystemClock.now(),
      random: UInt64.random(in: .min ... .max)
    )
    return .failed("\(fault)")
  }

  private mutating func finish(_ index: Int) -> EndpointOutcome {
    let lane = lanes[index]
    let name = settings.fileNameFormat.name(
      hub: hubName,
      partition: lane.partition,
      time: lane.firstTime
    )
    let ending = settings.encoding == .avro ? "avro" : "json"
    // The endpoint's name, because several may fill one container in one format.
    let path = "\(folder)/\(name)_\(endpoint.name)_\(lane.firstSequence).\(ending)"
    do throws(FileFault) {
      try lane.file?.finish(as: path)
      lanes[index].file = nil
      var positions = lanes.map(\.batch.position)
      positions[index] = lane.batch.next
      try checkpoint.write(positions)
      let count = lane.batch.count
      _ = lanes[index].batch.finished()
      return .took(count)
    } catch {
      return giveUp(index, error)
    }
  }
}

/// A cursor that many values may name; one task reads with it.
final class LogCursorBox {
  private var cursor: LogCursor<LinuxDisk>
  private var position: UInt64?

  init(_ cursor: consuming LogCursor<LinuxDisk>) { self.cursor = cursor }

  /// Reads on from number `start`; goes there first unless it stands there.
  func read(
    from start: UInt64,
    in view: LogView,
    maxRecords: Int,
    maxBytes: Int,
    _ visit: (LogRecord) -> Void
  ) throws(LogFault) -> LogReading {
    if position != start { cursor.seek(.sequence(start, inclusive: true), in: view) }
    position = nil
    var last: UInt64?
    let reading = try cursor.read(in: view, maxRecords: maxRecords, maxBytes: maxBytes) { record in
      last = record.sequence
      visit(record)
    }
    position = last.map { $0 + 1 } ?? start
    return reading
  }
}
