import AMQPCodec
import ByteIO
import Dispatch
import HubContract
import MessageLog
import Platform

/// Messages of a partition, encoded one after the other.
///
/// A reader has one, which it fills again and again: it is the reader's while a reading is under way,
/// and the receiver's from then until it asks for the next.
final class EventBatch: @unchecked Sendable {
  /// Storage that an idle receiver may keep, in bytes.
  private static let keptBytes = 64 << 10

  /// All messages.
  var bytes: [UInt8] = []
  /// Where each ends.
  var ends: [Int] = []
  /// Whether everything that was committed has been read.
  var isAtEnd = false
  /// Position behind the last committed record when it was read.
  var committedEnd: UInt64 = 0
  /// What kept the log from being read.
  var fault: LogFault?

  /// Empties it, for the next reading.
  func clear() {
    bytes.removeAll(keepingCapacity: true)
    ends.removeAll(keepingCapacity: true)
    isAtEnd = false
    fault = nil
  }

  /// Gives back what only a long batch needs.
  func shrink() {
    if bytes.capacity > Self.keptBytes { bytes = [] }
  }
}

/// Reads one partition for one receiver, on a queue of its own: a consumer that begins far back keeps
/// no event loop waiting for the disk.
///
/// The receiver asks for the next batch only when it has got the last one; so one reading is under
/// way at a time, and all state is the queue's.
final class EventReader: @unchecked Sendable {
  /// Messages in a batch at most.
  static let batchLimit = 1_024
  /// Payload in a batch at most, in bytes; one message is always given.
  static let batchBytes = 512 << 10

  /// The stream whose events are given.
  let stream: EventStreamView
  private let log: EventLog
  private let partition: UInt16
  private let queue: DispatchQueue
  /// Protected by `queue`: nothing below is touched anywhere else.
  private var start: LogStart
  private var cursor: LogCursor<LinuxDisk>
  private var isPlaced = false
  /// The last number that was read, from which a reading that is begun anew goes on.
  private var lastSequence: UInt64?
  private var encoding: EventEncoding
  private let batch = EventBatch()
  private let tellsLast: Bool

  /// Creates a reader; nothing is read yet.
  init(
    _ log: EventLog,
    _ stream: EventStreamView,
    partition: UInt16,
    start: LogStart,
    tellsLast: Bool
  ) {
    self.log = log
    self.stream = stream
    encoding = EventEncoding(at: stream.destination)
    self.partition = partition
    self.start = start
    self.tellsLast = tellsLast
    cursor = log.makeCursor(partition: partition)
    queue = DispatchQueue(label: "orrery.events.amqp")
  }

  /// Reads up to `limit` messages on; `completion` is called from the reader's queue.
  func read(limit: Int, completion: @escaping @Sendable (EventBatch) -> Void) {
    queue.async {
      self.fill(min(limit, Self.batchLimit))
      completion(self.batch)
    }
  }

  private func fill(_ limit: Int) {
    batch.clear()
    var writer = AMQPWriter()
    swap(&writer.bytes, &batch.bytes)
    defer { swap(&writer.bytes, &batch.bytes) }
    for _ in 0..<3 {
      let view = log.view
      batch.committedEnd = view.committedEnd
      if !isPlaced {
        cursor.seek(start, in: view)
        isPlaced = true
      }
      let last = tellsLast ? Self.lastEvent(of: view[partition]) : []
      do throws(LogFault) {
        let reading = try cursor.read(
          in: view,
          maxRecords: limit,
          maxBytes: Self.batchBytes
        ) { record in
          self.lastSequence = record.sequence
          // What routes send elsewhere alone is not in this stream.
          let destinations = EventView.destinations(of: record.payload)
          guard
            stream.holds(destinations, sequence: record.sequence, partition: record.partition)
          else { return }
          writer.bytes += last
          encoding.append(record, to: &writer)
          batch.ends.append(writer.bytes.count)
        }
        batch.isAtEnd = reading.isAtEnd
        return
      } catch .viewOutdated {
        // Retention ran in between; a new view knows what is left.
        if let lastSequence { start = .sequence(lastSequence, inclusive: false) }
        isPlaced = false
        if !batch.ends.isEmpty { return }
      } catch {
        batch.fault = error
        return
      }
    }
    batch.fault = .viewOutdated
  }

  /// The delivery annotations that tell a consumer how far behind it is (contract §8.4).
  private static func lastEvent(of partition: LogPartition) -> [UInt8] {
    var writer = AMQPWriter()
    writer.descriptor(AMQPMessage.Section.deliveryAnnotations)
    writer.map([
      "last_enqueued_sequence_number": .long(Int64(clamping: partition.nextSequence) - 1),
      "last_enqueued_offset": .string(partition.lastOffset.map { String($0) } ?? "-1"),
      "last_enqueued_time_utc": .timestamp(Int64(clamping: partition.lastEnqueuedTime)),
      "runtime_info_retrieval_time_utc": .timestamp(SystemClock.wallMilliseconds()),
    ])
    return writer.bytes
  }
}
