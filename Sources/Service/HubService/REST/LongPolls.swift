import ByteIO
import Dispatch
import HubContract
import JSONTree
import MessageLog
import Platform
import Synchronization

/// One answer of the event stream.
struct EventPage: Sendable {
  /// One event, rendered.
  struct Event: Sendable {
    let offset: UInt64
    let text: [UInt8]
  }

  var events: [Event] = []
  /// Whether reading stopped before the end of the log because it was enough for one call.
  var isCutShort = false

  /// The body of the answer.
  func text(continuingAt positions: EventPositions) -> [UInt8] {
    var out = ByteWriter(capacity: events.reduce(256) { $0 + $1.text.count + 1 })
    out.utf8(#"{"events":["#)
    for (index, event) in events.sorted(by: { $0.offset < $1.offset }).enumerated() {
      if index > 0 { out.utf8(",") }
      out.append(event.text)
    }
    out.utf8(#"],"next":"#)
    var next = JSONObject()
    for (partition, start) in positions.starts.sorted(by: { $0.key < $1.key }) {
      next[String(partition)] = .string(EventPositions.text(start))
    }
    JSON.write(next, to: &out)
    out.utf8(#","continuation":"#)
    JSON.write(.string(positions.continuation), to: &out)
    out.utf8("}")
    return out.bytes
  }
}

/// Reads the log for those who wait for events.
///
/// All of it happens on one thread of its own: a reader that goes back to the beginning can keep
/// neither the other requests nor more than one processor busy.
final class LongPolls: Sendable {
  /// Requests at most that read or wait at a time.
  static let limit = 512
  /// Payload at most in one answer, in bytes; one event is always given.
  private static let pageBytes = 4 << 20
  /// Events that one reading looks at, at most: a filter that nothing passes must come to an end.
  private static let scannedEvents = 100_000

  private let queue = DispatchQueue(label: "orrery.events.read")
  private let count = Atomic<Int>(0)

  /// Counts a request in; false if there are too many.
  func enter() -> Bool {
    if count.add(1, ordering: .relaxed).newValue <= Self.limit { return true }
    leave()
    return false
  }

  /// Counts a request out.
  func leave() { count.subtract(1, ordering: .relaxed) }

  /// Reads on from `positions`, which say no `latest`.
  ///
  /// - Parameters:
  ///   - log: The log.
  ///   - stream: Which of its events are wanted.
  ///   - view: What can be read of it.
  ///   - positions: Where to begin.
  ///   - deviceID: The device whose events are wanted; nil: all.
  ///   - maximum: Events at most.
  /// - Returns: the events, and where to go on.
  /// - Throws: `viewOutdated` and what the disk says.
  func read(
    _ log: EventLog,
    _ stream: EventStreamView,
    _ view: LogView,
    _ positions: EventPositions,
    deviceID: String?,
    maximum: Int
  ) async throws(LogFault) -> (EventPage, EventPositions) {
    typealias Outcome = Result<(EventPage, EventPositions), LogFault>
    let outcome = await withCheckedContinuation {
      (continuation: CheckedContinuation<Outcome, Never>) in
      queue.async {
        do throws(LogFault) {
          continuation.resume(
            returning: .success(
              try Self.scan(log, stream, view, positions, deviceID: deviceID, maximum: maximum)
            )
          )
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
    }
    return try outcome.get()
  }

  private static func scan(
    _ log: EventLog,
    _ stream: EventStreamView,
    _ view: LogView,
    _ positions: EventPositions,
    deviceID: String?,
    maximum: Int
  ) throws(LogFault) -> (EventPage, EventPositions) {
    var page = EventPage()
    var next = positions
    var scanned = 0
    var bytes = 0
    let wanted = deviceID.map { [UInt8]($0.utf8) }
    let partitions = positions.partitions
    // Each call begins with another partition: with few events a call, all still get their turn.
    let turn = positions.turn(of: partitions.count)
    for (index, partition) in (partitions[turn...] + partitions[..<turn]).enumerated() {
      guard let start = positions.starts[partition] else { continue }
      // What comes later gets its share, and what the earlier ones leave.
      let left = partitions.count - index
      let quota = page.events.count + (maximum - page.events.count + left - 1) / left
      var cursor = log.makeCursor(partition: partition)
      cursor.seek(start, in: view)
      var isAtEnd = false
      while !isAtEnd, page.events.count < quota, scanned < Self.scannedEvents,
        bytes < Self.pageBytes
      {
        var last: UInt64?
        let reading = try cursor.read(
          in: view,
          maxRecords: quota - page.events.count,
          maxBytes: Self.pageBytes - bytes
        ) { record in
          last = record.sequence
          guard let event = Self.event(record, in: stream, wanted) else { return }
          page.events.append(event)
          bytes += record.payload.count
        }
        scanned += reading.recordCount
        isAtEnd = reading.isAtEnd
        if let last { next.starts[partition] = .sequence(last &+ 1, inclusive: true) }
      }
      if !isAtEnd { page.isCutShort = true }
    }
    return (page, next)
  }

  private static func event(
    _ record: LogRecord,
    in stream: EventStreamView,
    _ wanted: [UInt8]?
  ) -> EventPage.Event? {
    let time = Timestamp(milliseconds: Int64(clamping: record.enqueuedTime))
    var object: JSONObject
    do throws(EventFault) {
      let view = try EventView(record.payload)
      let (sequence, partition) = (record.sequence, record.partition)
      guard stream.holds(view.destinations, sequence: sequence, partition: partition) else {
        return nil
      }
      if let wanted, !isOf(wanted, view) { return nil }
      object =
        view.json(
          at: stream.destination,
          offset: String(record.offset),
          sequenceNumber: Int64(clamping: record.sequence),
          enqueuedTime: time
        ).objectValue ?? [:]
    } catch {
      // Written by a later version, say. Shown as it is, so that no number is missing.
      guard wanted == nil, stream == .builtIn else { return nil }
      object = [
        "offset": .string(String(record.offset)),
        "sequenceNumber": .int(Int64(clamping: record.sequence)),
        "enqueuedTime": .string(time.iso8601), "annotations": [:], "properties": [:],
        "applicationProperties": [:], "bodyEncoding": "base64",
        "body": .string(Base64.encode(record.payload.array())),
      ]
    }
    object["partition"] = .int(Int64(record.partition))
    return EventPage.Event(offset: record.offset, text: JSON.bytes(.object(object)))
  }

  /// Whether an event tells of a device: as its sender, or as the child that an edge hub sent it for.
  private static func isOf(_ wanted: [UInt8], _ view: borrowing EventView) -> Bool {
    if view.bytes.extracting(view.deviceIDRange).array() == wanted { return true }
    guard view.flags.contains(.onBehalfOfChild) else { return false }
    let device = view.properties().annotation("iothub-connection-device-id")
    return device.map { [UInt8]($0.utf8) == wanted } ?? false
  }
}
