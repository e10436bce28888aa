import AMQPCodec
import ByteIO
import HubContract
import HubService
import MessageLog
import Platform
import Testing

@Suite("Events as consumers get them over AMQP (contract §8.4)")
struct EventEncodingTests {
  /// An event, before it is in the log.
  private struct Event {
    var device = "d1"
    var module: String?
    var bag = ""
    var body: [UInt8] = [1, 2, 3]
    var flags: EventFlags = []
  }

  /// Puts `events` into a log and encodes what it gives back, with one encoding.
  private func messages(_ events: [Event], garbage: [UInt8]? = nil) async throws -> [AMQPMessage] {
    var messages: [AMQPMessage] = []
    try await RESTHub.inFolder { folder in
      let disk = LinuxDisk(directory: folder, isDurable: false)
      let configuration = LogConfiguration(partitionCount: 1, segmentBytes: 2 << 20, salt: 7)
      var log = try MessageLog.open(disk, configuration: configuration)
      var batch = LogBatch()
      for event in events {
        let identity = IdentityKey(deviceID: event.device, moduleID: event.module)
        batch.beginRecord(partition: 0)
        EventEncoder.append(
          stamp: EventStamp(
            identity: identity,
            authMethod: ConnectionAuthMethod(scope: .device, type: .sas),
            generationID: "g1"
          ),
          flags: event.flags,
          bag: Array(event.bag.utf8).span,
          body: event.body.span,
          to: &batch
        )
        try batch.endRecord()
      }
      if let garbage {
        batch.beginRecord(partition: 0)
        batch.append(garbage)
        try batch.endRecord()
      }
      try log.append(&batch, now: 1_700_000_000_123)
      try log.commit()
      var cursor = LogCursor(disk: disk, partition: 0)
      cursor.seek(.earliest, in: log.view)
      var encoding = EventEncoding()
      var encoded: [[UInt8]] = []
      _ = try cursor.read(in: log.view, maxRecords: 10_000) { record in
        var writer = AMQPWriter(capacity: 0)
        encoding.append(record, to: &writer)
        encoded.append(writer.bytes)
      }
      for bytes in encoded { messages.append(try AMQPMessage(bytes.span)) }
      try log.close()
    }
    return messages
  }

  @Test("What an edge calls its messages is each message's own, though all else is kept")
  func edgeIdentifiers() async throws {
    let first = "0123456789abcdef-0000000000000001"
    let second = "0123456789abcdef-0000000000000002"
    let bags = [
      "a=b&$.emid=\(first)", "a=b&$.emid=\(second)", "a=b", "a=b&$.emid=\(second)",
      "a=b&$.emid=\(second)x", "&$.emid=\(first)",
    ]
    let found = try await messages(bags.map { Event(bag: $0) })
    let expected = [first, second, nil, second, second + "x", first]
    let key = "iothub-edge-message-id"
    #expect(found.map { $0.messageAnnotations[key] } == expected.map { $0.map { .string($0) } })
    #expect(found.prefix(5).allSatisfy { $0.applicationProperties["a"] == .string("b") })
  }

  @Test("The hub's own annotations and the sender's properties stand where consumers look")
  func sections() async throws {
    let bag = "%24.mid=m1&%24.cid=c1&%24.ct=application%2Fjson&%24.ce=utf-8&a=b&empty=&null"
    let message = try #require(try await messages([Event(module: "m", bag: bag)]).first)
    let expected: [(String, AMQPValue)] = [
      ("iothub-connection-device-id", .string("d1")),
      ("iothub-connection-module-id", .string("m")),
      ("iothub-connection-auth-generation-id", .string("g1")),
      ("iothub-message-source", .string("Telemetry")),
      ("iothub-enqueuedtime", .timestamp(1_700_000_000_123)),
      ("x-opt-enqueued-time", .timestamp(1_700_000_000_123)),
      ("x-opt-sequence-number", .long(0)),
    ]
    for (name, value) in expected { #expect(message.messageAnnotations[name] == value, "\(name)") }
    guard case .string? = message.messageAnnotations["x-opt-offset"] else {
      Issue.record("the offset is text: \(message.messageAnnotations)")
      return
    }
    #expect(message.properties.messageID == .string("m1"))
    #expect(message.properties.correlationID == .string("c1"))
    #expect(message.properties.contentType == "application/json")
    #expect(message.properties.contentEncoding == "utf-8")
    #expect(message.applicationProperties["a"] == .string("b"))
    #expect(message.applicationProperties["empty"] == .string(""))
    #expect(message.applicationProperties["null"] == .null)
    #expect(message.body == .data([[1, 2, 3]]))
  }

  @Test("An empty body is one empty section, a will is marked")
  func edges() async throws {
    let found = try await messages([Event(body: []), Event(flags: .will)])
    #expect(found.map(\.body) == [.data([[]]), .data([[1, 2, 3]])])
    #expect(found[1].applicationProperties["iothub-MessageType"] == .string("Will"))
    #expect(found[0].applicationProperties.isEmpty)
  }

  @Test("A head that comes again, also after more others than are kept, gives the same sections")
  func keptHeads() async throws {
    let heads = 1_500
    let events = (0..<2 * heads).map { Event(device: "d\($0 % heads)", bag: "n=\($0 % heads)") }
    let found = try await messages(events)
    #expect(found.count == events.count)
    for (index, message) in found.enumerated() {
      let number = index % heads
      #expect(message.messageAnnotations["iothub-connection-device-id"] == .string("d\(number)"))
      #expect(message.applicationProperties["n"] == .string("\(number)"))
      #expect(message.messageAnnotations["x-opt-sequence-number"] == .long(Int64(index)))
    }
  }

  @Test("A record of a later version keeps its number and is given as it is")
  func unknownVersion() async throws {
    let found = try await messages([Event()], garbage: [99, 1, 2])
    #expect(found.count == 2)
    #expect(found.last?.messageAnnotations["x-opt-sequence-number"] == .long(1))
    #expect(found.last?.body == .data([[99, 1, 2]]))
  }
}
