package import AMQPCodec
import ByteIO
import Endpoints
package import HubContract
package import MessageLog
import Platform

/// Writes records of the log as the messages that consumers of events expect (contract §8.4).
///
/// Everything of an event but offset, number, time and body depends on its head alone: identity,
/// authentication and property bag. Devices repeat their heads, so what was made of one is kept; the
/// identifier that an edge puts at a bag's end, another one for each message, is not counted among
/// it. A body is copied once, from the log's buffer into the batch that goes to the connection.
package struct EventEncoding {
  /// What a head becomes.
  ///
  /// A class, so that what is kept is taken with one count of references.
  private final class Sections: Sendable {
    /// The head itself, without an edge's identifier; empty where none could be read.
    let head: [UInt8]
    /// Pairs of message annotations, without the map around them.
    let annotations: [UInt8]
    let annotationCount: Int
    /// The sections between annotations and body.
    let properties: [UInt8]

    init(head: [UInt8], annotations: [UInt8], annotationCount: Int, properties: [UInt8]) {
      self.head = head
      self.annotations = annotations
      self.annotationCount = annotationCount
      self.properties = properties
    }

    func isMade(of other: Span<UInt8>) -> Bool {
      let head = head
      return head.span.elementsEqual(other)
    }
  }

  /// Heads that are kept; more begin anew.
  private static let keptHeads = 1_024
  private static let sequenceKey = symbol("x-opt-sequence-number")
  private static let offsetKey = symbol("x-opt-offset")
  private static let timeKey = symbol("x-opt-enqueued-time")
  private static let edgeIDName = "iothub-edge-message-id"
  private static let edgeIDKey = symbol(edgeIDName)
  private static let hubTimeKey = symbol("iothub-enqueuedtime")

  /// Of what was written by a later version, say: given as it is, so that no number is missing.
  private static let unknown = Sections(
    head: [],
    annotations: [],
    annotationCount: 0,
    properties: []
  )

  private let checksum = Machine.crc32c()
  private let destination: EventDestinations
  /// By the head's checksum; of two with the same one, the later is kept.
  private var kept: [UInt32: Sections] = [:]

  /// Nothing is kept yet; events get what routing adds to them at `destination`.
  package init(at destination: EventDestinations = .events) { self.destination = destination }

  /// Appends the message of a record.
  package mutating func append(_ record: borrowing LogRecord, to writer: inout AMQPWriter) {
    var sections = Self.unknown
    var bodyStart = 0
    var edgeID: Range<Int>?
    do throws(EventFault) {
      let view = try EventView(record.payload)
      bodyStart = view.bodyRange.lowerBound
      var headEnd = bodyStart
      if let mark = EdgeMessageID.start(in: view.bag.bytes, from: 0) {
        edgeID = bodyStart - EdgeMessageID.byteCount..<bodyStart
        headEnd = view.bagRange.lowerBound + mark
      }
      let head = record.payload.extracting(0..<headEnd)
      let key = checksum.checksum(head)
      if let known = kept[key], known.isMade(of: head) {
        sections = known
      } else {
        sections = Self.sections(
          view,
          at: destination,
          head: head.array(),
          leavesOutEdgeID: edgeID != nil
        )
        if kept.count >= Self.keptHeads { kept.removeAll(keepingCapacity: true) }
        kept[key] = sections
      }
    } catch {}
    let time = Int64(clamping: record.enqueuedTime)
    writer.descriptor(AMQPMessage.Section.messageAnnotations)
    var map = writer.beginMap()
    writer.bytes += sections.annotations
    if let edgeID {
      writer.bytes += Self.edgeIDKey
      writer.string(record.payload.extracting(edgeID))
    }
    writer.bytes += Self.hubTimeKey
    writer.timestamp(time)
    writer.bytes += Self.sequenceKey
    writer.long(Int64(clamping: record.sequence))
    writer.bytes += Self.offsetKey
    writer.string(String(record.offset))
    writer.bytes += Self.timeKey
    writer.timestamp(time)
    map.count = (sections.annotationCount + (edgeID == nil ? 4 : 5)) * 2
    writer.end(map)
    writer.bytes += sections.properties
    writer.descriptor(AMQPMessage.Section.data)
    writer.binary(record.payload.extracting(bodyStart..<record.payload.count))
  }

  private static func sections(
    _ view: borrowing EventView,
    at destination: EventDestinations,
    head: [UInt8],
    leavesOutEdgeID: Bool
  ) -> Sections {
    var decoded = view.properties(at: destination)
    // It ends the bag, and so it is the last of its name.
    if leavesOutEdgeID,
      let last = decoded.annotations.lastIndex(where: { $0.name == Self.edgeIDName })
    {
      decoded.annotations.remove(at: last)
    }
    var annotations = AMQPWriter()
    for item in decoded.annotations {
      annotations.symbol(item.name)
      annotations.value(item.value.map { .string($0) } ?? .null)
    }
    var message = AMQPMessage()
    message.properties.messageID = decoded.messageID.map { .string($0) } ?? .null
    message.properties.userID = decoded.userID.map { Array($0.utf8) }
    message.properties.to = decoded.to
    message.properties.correlationID = decoded.correlationID.map { .string($0) } ?? .null
    message.properties.contentType = decoded.contentType
    message.properties.contentEncoding = decoded.contentEncoding
    message.properties.absoluteExpiryTime = decoded.absoluteExpiryTime?.milliseconds
    message.applicationProperties = AMQPMap(
      strings: decoded.application.map { ($0.name, $0.value.map { .string($0) } ?? .null) }
    )
    var sections = AMQPWriter()
    message.write(to: &sections)
    // Without the empty body that ends it.
    let properties = sections.bytes.dropLast(emptyBody.count)
    return Sections(
      head: head,
      annotations: annotations.bytes,
      annotationCount: decoded.annotations.count,
      properties: Array(properties)
    )
  }

  private static let emptyBody: [UInt8] = AMQPMessage().encoded

  private static func symbol(_ text: String) -> [UInt8] {
    var writer = AMQPWriter()
    writer.symbol(text)
    return writer.bytes
  }
}
