import AMQP
import AMQPCodec
import ByteIO
import Testing

@Suite("Nodes that answer requests (contract §8.1)")
struct RequestNodeTests {
  /// A client with a sender and a receiver at a node, and the node.
  struct Asking: ~Copyable {
    var pair = Pair()
    var node = RequestNode()
    var sender: LinkID?
    var receiver: LinkID?

    mutating func attach(receiverCredit: Int32) {
      pair.run()
      let node = AMQPTerminus(address: "$cbs")
      let own = AMQPTerminus(address: "answers")
      sender = pair.client.attach("s", isSender: true, source: own, target: node)
      receiver = pair.client.attach(
        "r",
        isSender: false,
        source: node,
        target: own,
        credit: receiverCredit
      )
      serve { _ in nil }
    }

    /// Runs both sides; `answer` makes the answer to each request.
    mutating func serve(_ answer: (NodeRequest) -> AMQPMessage?) {
      for _ in 0..<4 {
        pair.run()
        for event in pair.takeServerEvents() {
          switch event {
          case .attached(let id, let attach): node.attached(id, attach, on: &pair.server)
          case .credited: node.credited(on: &pair.server)
          case .detached(let id, _): node.detached(id)
          case .delivered(_, let delivery):
            if let request = node.delivered(delivery, on: &pair.server),
              let made = answer(request)
            {
              node.answer(request, with: made, on: &pair.server)
            }
          default: break
          }
        }
      }
    }

    mutating func ask(_ message: AMQPMessage) {
      guard let sender else { return }
      pair.client.send(message.encoded, on: sender, tag: [1], isSettled: false)
    }

    mutating func answers() -> [AMQPMessage] {
      pair.takeClientEvents().compactMap { event in
        guard case .delivered(_, let delivery) = event else { return nil }
        return try? AMQPMessage(delivery.message.span)
      }
    }
  }

  private func request(
    _ properties: [(String, AMQPValue)],
    id: AMQPValue = .ulong(0)
  ) -> AMQPMessage {
    var message = AMQPMessage(body: .value(.string("token")))
    message.properties.messageID = id
    message.properties.replyTo = "answers"
    message.applicationProperties = AMQPMap(strings: properties)
    return message
  }

  @Test(
    "an answer's correlation ID is the message ID in the same type",
    arguments: [.ulong(0), .string("a"), .uuid(Array(0..<16)), .binary([1])] as [AMQPValue]
  )
  func correlation(id: AMQPValue) {
    var asking = Asking()
    asking.attach(receiverCredit: 5)
    asking.ask(request([("operation", .string("put-token"))], id: id))
    asking.serve { _ in NodeAnswer.make(202, "Accepted") }
    let answers = asking.answers()
    #expect(answers.map(\.properties.correlationID) == [id])
    #expect(answers.first?.applicationProperties["status-code"] == .int(202))
    #expect(answers.first?.applicationProperties["status-description"] == .string("Accepted"))
  }

  @Test("answers wait for credit, the oldest give way at the limit")
  func waitsForCredit() {
    var asking = Asking()
    asking.attach(receiverCredit: 0)
    for number in 0..<(RequestNode.waitingLimit + 2) {
      asking.ask(request([], id: .ulong(UInt64(number))))
      asking.serve { _ in NodeAnswer.make(200, "OK") }
    }
    #expect(copied(asking.answers()).isEmpty)
    if let receiver = asking.receiver { asking.pair.client.setWindow(receiver, 200) }
    asking.serve { _ in nil }
    let answers = asking.answers()
    #expect(answers.count == RequestNode.waitingLimit)
    #expect(answers.first?.properties.correlationID == .ulong(2))
  }

  @Test("a request beyond the limit ends its link, and a client gets so many links")
  func limits() {
    var asking = Asking()
    asking.attach(receiverCredit: 5)
    var long = request([])
    long.body = .value(.string(String(repeating: "x", count: RequestNode.requestBytes)))
    asking.ask(long)
    asking.serve { _ in NodeAnswer.make(200, "OK") }
    let events = asking.pair.takeClientEvents()
    let detached = events.count {
      if case .detached(_, let error) = $0 {
        error?.condition == AMQPError.messageSizeExceeded
      } else {
        false
      }
    }
    #expect(detached == 1)
    for number in 0..<RequestNode.linkLimit + 1 {
      _ = asking.pair.client.attach(
        "more \(number)",
        isSender: true,
        source: AMQPTerminus(address: "own"),
        target: AMQPTerminus(address: "$cbs")
      )
    }
    asking.serve { _ in nil }
    let refused = asking.pair.takeClientEvents().count {
      if case .detached(_, let error) = $0 {
        error?.condition == AMQPError.resourceLimitExceeded
      } else {
        false
      }
    }
    #expect(refused == 2)
  }

  @Test("what is no message is rejected, and the link lives")
  func malformed() {
    var asking = Asking()
    asking.attach(receiverCredit: 5)
    if let sender = asking.sender {
      asking.pair.client.send([1, 2, 3], on: sender, tag: [0], isSettled: false)
    }
    asking.serve { _ in NodeAnswer.make(200, "OK") }
    let events = asking.pair.takeClientEvents()
    let rejections = events.filter {
      if case .settled(_, _, .rejected(let error?)) = $0 {
        error.condition == AMQPError.decodeError
      } else {
        false
      }
    }
    #expect(rejections.count == 1)
    asking.ask(request([]))
    asking.serve { _ in NodeAnswer.make(200, "OK") }
    #expect(copied(asking.answers()).count == 1)
  }
}

@Suite("Put-token requests (contract §8.1)")
struct PutTokenTests {
  private func request(
    _ properties: [(String, AMQPValue)],
    body: AMQPMessage.Body = .value(.string("SharedAccessSignature sr=h"))
  ) -> NodeRequest {
    var message = AMQPMessage(body: body)
    message.applicationProperties = AMQPMap(strings: properties)
    return NodeRequest(message: message)
  }

  private static let good: [(String, AMQPValue)] = [
    ("operation", .string("put-token")), ("type", .string("servicebus.windows.net:sastoken")),
    ("name", .string("sb://hub/events")), ("expiration", .timestamp(1)),
  ]

  @Test("a good one is read")
  func reads() throws {
    let put = try ClaimsBasedSecurity.PutToken(request(Self.good))
    #expect(put.audience == "sb://hub/events")
    #expect(put.token == "SharedAccessSignature sr=h")
  }

  @Test("each thing that may be wrong has its status", arguments: 0..<6)
  func refuses(index: Int) {
    let rows: [(Int, AMQPValue?, AMQPMessage.Body?, Int32)] = [
      (0, nil, nil, 400), (0, .string("delete-token"), nil, 501), (1, .string("x"), nil, 400),
      (2, nil, nil, 400), (2, .int(1), nil, 400), (0, .string("put-token"), .data([[1]]), 400),
    ]
    let (place, value, body, status) = rows[index]
    var properties = Self.good
    properties[place].1 = value ?? .null
    let asked = request(properties, body: body ?? .value(.string("t")))
    #expect { try ClaimsBasedSecurity.PutToken(asked) } throws: {
      ($0 as? RequestRefusal)?.status == status
    }
  }
}

@Suite("Management of the event stream (contract §8.3)")
struct EventManagementTests {
  private func read(_ properties: [(String, AMQPValue)]) throws -> EventManagement.Request {
    var message = AMQPMessage(body: .value(.null))
    message.applicationProperties = AMQPMap(strings: properties)
    return try EventManagement.Request(NodeRequest(message: message))
  }

  @Test("hub and partition are asked for")
  func reads() throws {
    let base: [(String, AMQPValue)] = [
      ("operation", .string("READ")), ("name", .string("events")),
      ("security_token", .string("t")),
    ]
    #expect(
      try read(base + [("type", .string("com.microsoft:eventhub"))])
        == .hub(entity: "events", token: "t")
    )
    #expect(
      try read(
        base + [("type", .string("com.microsoft:partition")), ("partition", .string("2"))]
      ) == .partition(entity: "events", partition: "2", token: "t")
    )
  }

  @Test("what can't be read is refused", arguments: 0..<5)
  func refuses(index: Int) {
    let rows: [([(String, AMQPValue)], Int32)] = [
      ([], 400), ([("operation", .string("WRITE"))], 501),
      ([("operation", .string("READ"))], 400),
      ([("operation", .string("READ")), ("name", .string("e"))], 400),
      (
        [
          ("operation", .string("READ")), ("name", .string("e")),
          ("type", .string("com.microsoft:partition")),
        ], 400
      ),
    ]
    let (properties, status) = rows[index]
    #expect { try read(properties) } throws: { ($0 as? RequestRefusal)?.status == status }
  }

  @Test("answers have the types that the stock clients ask for")
  func answers() {
    let hub = EventManagement.answer(entity: "e", createdAt: 5, partitionCount: 2)
    guard case .value(.map(let map)) = hub.body else {
      Issue.record("no map")
      return
    }
    #expect(map["partition_ids"] == .array([.string("0"), .string("1")]))
    #expect(map["partition_count"] == .int(2))
    #expect(map["created_at"] == .timestamp(5))
    let state = EventManagement.PartitionState(
      firstSequence: 3,
      lastSequence: 9,
      lastOffset: "77",
      lastTime: 4,
      isEmpty: false
    )
    let partition = EventManagement.answer(entity: "e", partition: "1", state)
    guard case .value(.map(let map)) = partition.body else {
      Issue.record("no map")
      return
    }
    #expect(map["begin_sequence_number"] == .long(3))
    #expect(map["last_enqueued_offset"] == .string("77"))
    #expect(map["is_partition_empty"] == .boolean(false))
  }
}
