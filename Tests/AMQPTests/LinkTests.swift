import AMQP
import AMQPCodec
import ByteIO
import Testing

@Suite("Links (AMQP 1.0 part 2 §2.6)")
struct LinkTests {
  @Test("an attach brings addresses, filters and properties")
  func attach() {
    var pair = Pair()
    pair.run()
    let filter = AMQPValue.described(
      descriptor: .symbol("apache.org:selector-filter:string"),
      .string("amqp.annotation.x-opt-offset > '-1'")
    )
    _ = pair.client.attach(
      "l",
      isSender: false,
      source: AMQPTerminus(
        address: "events",
        filters: ["apache.org:selector-filter:string": filter]
      ),
      target: AMQPTerminus(address: "mine"),
      properties: ["com.microsoft:epoch": .long(3)],
      credit: 5
    )
    pair.run()
    guard case .attached(let id, let attach)? = pair.takeServerEvents().dropFirst(2).first else {
      Issue.record("no attach")
      return
    }
    #expect(attach.name == "l")
    #expect(!attach.isPeerSender)
    #expect(attach.address == "events")
    #expect(attach.target.address == "mine")
    #expect(attach.source.filters["apache.org:selector-filter:string"] == filter)
    #expect(attach.properties["com.microsoft:epoch"] == .long(3))
    pair.server.accept(id, properties: ["p": .string("v")])
    pair.run()
    guard case .attached(_, let answer)? = pair.takeClientEvents().dropFirst().first else {
      Issue.record("no answer")
      return
    }
    #expect(answer.source.filters["apache.org:selector-filter:string"] == filter)
    #expect(answer.target.address == "mine")
    #expect(answer.properties["p"] == .string("v"))
    #expect(copied(pair.server.credit(of: id)) == 5)
  }

  @Test("desired capabilities are told, which the engine does not know")
  func capabilities() {
    var server = AMQPConnection(containerID: "hub")
    let input =
      Stream.start + Stream.begin() + Stream.attach("a", handle: 0, isSender: true)
      + Stream.attach("b", handle: 1, isSender: false)
    server.receive(input)
    for case .authenticating in server.nextEvents() { server.judged(isAccepted: true) }
    let attaches = server.nextEvents().compactMap { event -> AMQPAttach? in
      if case .attached(_, let attach) = event { return attach }
      return nil
    }
    #expect(attaches.map(\.name) == ["a", "b"])
    #expect(attaches.map(\.isPeerSender) == [true, false])
    #expect(attaches.allSatisfy { $0.desiredCapabilities == ["com.microsoft:georeplication"] })
  }

  @Test(
    "a refused link is answered with both ends before it is detached, and told what to ask for",
    arguments: [nil, "0f-1"]
  )
  func refusal(trackingID: String?) {
    var pair = Pair(trackingID: trackingID)
    pair.run()
    _ = pair.client.attach(
      "l",
      isSender: true,
      source: AMQPTerminus(address: "a"),
      target: AMQPTerminus(address: "b")
    )
    pair.run()
    let error = AMQPError(AMQPError.notFound, "no such node")
    for case .attached(let id, _) in pair.takeServerEvents() { pair.server.refuse(id, error) }
    pair.run()
    let events = pair.takeClientEvents().dropFirst()
    guard case .attached(let id, let answer)? = events.first else {
      Issue.record("\(events)")
      return
    }
    #expect(answer.target.address == "b")
    var told = error
    if let trackingID { told.info = ["com.microsoft:tracking-id": .string(trackingID)] }
    #expect(events.last == .detached(id, told))
    // The server is told that the link is gone as soon as the client has agreed.
    let heard = pair.takeServerEvents()
    #expect(heard.count { if case .detached = $0 { true } else { false } } == 1)
  }

  @Test("messages reach the server whole, in order, and are settled", arguments: [3, 100_000])
  func clientSends(size: Int) throws {
    var pair = Pair()
    let made = pair.link(isSender: true)
    let (mine, theirs) = try #require(made)
    var sent: [DeliveryID] = []
    for number in UInt8(0)..<3 {
      let message = [UInt8](repeating: number, count: size)
      let id = pair.client.send(message, on: mine, tag: [number], isSettled: false)
      sent.append(try #require(id))
    }
    pair.run()
    let outcomes: [AMQPOutcome] = [
      .accepted, .rejected(AMQPError(AMQPError.notFound, "unknown device")), .released,
    ]
    var number: UInt8 = 0
    for case .delivered(let link, let delivery) in pair.takeServerEvents() {
      #expect(link == theirs)
      #expect(delivery.tag == [number])
      #expect(delivery.message == [UInt8](repeating: number, count: size))
      #expect(!delivery.isBatch)
      pair.server.settle(delivery.id, outcomes[Int(number)])
      number += 1
    }
    #expect(number == 3)
    pair.run()
    // Dispositions of one kind may share a frame, so their order is free.
    let events = pair.takeClientEvents()
    for (id, outcome) in zip(sent, outcomes) {
      #expect(events.count { $0 == .settled(mine, id, outcome) } == 1)
    }
  }

  @Test("the server sends only what there is credit for, settled or not")
  func serverSends() throws {
    var pair = Pair()
    let made = pair.link(isSender: false, credit: 4)
    let (mine, theirs) = try #require(made)
    #expect(copied(pair.server.credit(of: theirs)) == 4)
    let message = AMQPMessage(body: .data([[7]])).encoded
    #expect(copied(pair.server.send(message, on: theirs, tag: [0], isSettled: true)) == nil)
    let unsettled = pair.server.send(message, on: theirs, tag: [1], isSettled: false)
    let waiting = try #require(unsettled)
    #expect(copied(pair.server.credit(of: theirs)) == 2)
    pair.run()
    let got = pair.takeClientEvents().compactMap { event -> AMQPDelivery? in
      if case .delivered(mine, let delivery) = event { return delivery }
      return nil
    }
    #expect(got.map(\.message) == [message, message])
    #expect(got.map(\.isSettled) == [true, false])
    let last = try #require(got.last?.id)
    pair.client.settle(
      last,
      .modified(hasFailed: true, isUndeliverable: false)
    )
    pair.run()
    let heard = pair.takeServerEvents()
    #expect(
      heard.contains(.settled(theirs, waiting, .modified(hasFailed: true, isUndeliverable: false)))
    )
  }

  @Test("transfers have eleven fields")
  func completeTransfers() throws {
    var pair = Pair()
    let made = pair.link(isSender: false)
    let (_, theirs) = try #require(made)
    let before = pair.toClient.count
    pair.server.send(one, on: theirs, tag: [0], isSettled: true)
    pair.run()
    let text = Hex.encode(pair.toClient.bytes[before...])
    let found = try #require(text.ranges(of: "005314c0").first)
    #expect(text[found.upperBound...].dropFirst(2).prefix(2) == "0b")
  }

  @Test("a detach ends the link on both sides, with what was unsettled on it")
  func detach() throws {
    var pair = Pair()
    let made = pair.link(isSender: false)
    let (mine, theirs) = try #require(made)
    pair.server.send(one, on: theirs, tag: [0], isSettled: false)
    pair.run()
    let stolen = AMQPError(AMQPError.linkStolen, "another receiver has come")
    pair.server.detach(theirs, stolen)
    pair.run()
    #expect(copied(pair.takeClientEvents()).last == .detached(mine, stolen))
    let heard = pair.takeServerEvents()
    #expect(heard.contains(.detached(theirs, nil)))
    #expect(copied(pair.server.credit(of: theirs)) == 0)
    #expect(copied(pair.server.send(one, on: theirs, tag: [1], isSettled: true)) == nil)
  }

  @Test("a message beyond the limit ends its link and nothing else")
  func messageLimit() throws {
    var limits = AMQPConnectionLimits()
    limits.messageBytes = 1_000
    var pair = Pair(serverLimits: limits)
    let made = pair.link(isSender: true)
    let (mine, _) = try #require(made)
    let long = [UInt8](repeating: 1, count: 1_001)
    pair.client.send(long, on: mine, tag: [1], isSettled: false)
    pair.run()
    guard case .detached(_, let error?)? = pair.takeClientEvents().last else {
      Issue.record("not detached")
      return
    }
    #expect(error.condition == AMQPError.messageSizeExceeded)
    #expect(copied(pair.server.isOver) == false)
  }

  @Test("more links than the limit are refused")
  func linkLimit() {
    var limits = AMQPConnectionLimits()
    limits.links = 2
    var server = AMQPConnection(containerID: "hub", limits: limits)
    var input = Stream.start + Stream.begin()
    for handle in UInt32(0)..<5 {
      input += Stream.attach("l\(handle)", handle: handle, isSender: true)
    }
    server.receive(input)
    for case .authenticating in server.nextEvents() { server.judged(isAccepted: true) }
    let attached = server.nextEvents().count { if case .attached = $0 { true } else { false } }
    #expect(attached == 2)
  }

  @Test("a sender without credit loses its connection", arguments: [false, true])
  func creditAbuse(isSettled: Bool) {
    var server = AMQPConnection(containerID: "hub")
    let start = Stream.start + Stream.begin() + Stream.attach("a", handle: 0, isSender: true)
    server.receive(start)
    for case .authenticating in server.nextEvents() { server.judged(isAccepted: true) }
    for case .attached(let id, _) in server.nextEvents() { server.accept(id, credit: 2) }
    // The session's window opens with our begin.
    var output = ByteWriter()
    server.write(to: &output)
    var delivered = 0
    for number in UInt32(0)..<10 {
      let transfer = Stream.transfer(id: number, isSettled: isSettled)
      server.receive(transfer)
      delivered += server.nextEvents().count { if case .delivered = $0 { true } else { false } }
    }
    #expect(delivered == 2)
    server.write(to: &output)
    let condition = Hex.encode(Array(AMQPError.transferLimitExceeded.utf8))
    #expect(Hex.encode(output.bytes).contains(condition))
  }

  @Test("messages hold back credit until they are done with", arguments: [false, true])
  func flood(isSettled: Bool) throws {
    var pair = Pair()
    let made = pair.link(isSender: true, credit: 4)
    let (mine, _) = try #require(made)
    var waiting: [DeliveryID] = []
    for number in UInt8(0)..<4 {
      pair.client.send(one, on: mine, tag: [number], isSettled: isSettled)
    }
    pair.run()
    for case .delivered(_, let delivery) in pair.takeServerEvents() {
      #expect(delivery.isSettled == isSettled)
      waiting.append(delivery.id)
    }
    #expect(waiting.count == 4)
    #expect(copied(pair.client.credit(of: mine)) == 0)
    for id in waiting { pair.server.settle(id, .accepted) }
    pair.run()
    #expect(copied(pair.client.credit(of: mine)) == 4)
  }

  @Test("a batch is told by its message format")
  func batchFormat() {
    var server = AMQPConnection(containerID: "hub")
    let start = Stream.start + Stream.begin() + Stream.attach("a", handle: 0, isSender: true)
    server.receive(start)
    for case .authenticating in server.nextEvents() { server.judged(isAccepted: true) }
    for case .attached(let id, _) in server.nextEvents() { server.accept(id, credit: 10) }
    var output = ByteWriter()
    server.write(to: &output)
    var batches: [Bool] = []
    let input =
      Stream.transfer(id: 0) + Stream.transfer(id: 1, format: 0x8001_3700)
      + Stream.transfer(id: 2, format: 0x8001_3700, hasMore: true)
      + Stream.transfer(id: 2, format: 0x8001_3700) + Stream.transfer(id: 3)
    server.receive(input)
    for case .delivered(_, let delivery) in server.nextEvents() { batches.append(delivery.isBatch) }
    #expect(batches == [false, true, true, false])
  }

  @Test("drain gives back what credit is left")
  func drain() throws {
    var pair = Pair()
    let made = pair.link(isSender: false, credit: 3)
    let (_, theirs) = try #require(made)
    pair.server.drained(theirs)
    #expect(copied(pair.server.isDraining(theirs)) == false)
  }

  @Test(
    "each outcome of a receiver is told, by whichever settle mode",
    arguments: [0x24, 0x25, 0x26, 0x27] as [UInt64],
    [0, 1] as [UInt8]
  )
  func outcomes(code: UInt64, settleMode: UInt8) {
    var server = AMQPConnection(containerID: "hub")
    let start =
      Stream.start + Stream.begin()
      + Stream.attach("a", handle: 0, isSender: false, settleMode: settleMode)
    server.receive(start)
    for case .authenticating in server.nextEvents() { server.judged(isAccepted: true) }
    var link: LinkID?
    for case .attached(let id, _) in server.nextEvents() {
      link = id
      server.accept(id)
    }
    var output = ByteWriter()
    server.write(to: &output)
    // A flow that gives 10 of credit.
    let flow = Stream.list(
      0x13,
      [.uint(0), .uint(99), .uint(0), .uint(99), .uint(0), .uint(0), .uint(10)]
    )
    server.receive(Stream.frame(flow))
    guard let link else {
      Issue.record("no link")
      return
    }
    let sent = server.send(one, on: link, tag: [7], isSettled: false)
    server.write(to: &output)
    _ = server.nextEvents()
    let state = AMQPValue.described(descriptor: .ulong(code), .list([]))
    server.receive(
      Stream.frame(
        Stream.list(0x15, [.boolean(true), .uint(0), .uint(0), .boolean(true), state])
      )
    )
    let expected: [UInt64: AMQPOutcome] = [
      0x24: .accepted, 0x25: .rejected(nil), 0x26: .released,
      0x27: .modified(hasFailed: false, isUndeliverable: false),
    ]
    let events = server.nextEvents()
    guard let id = sent else {
      Issue.record("not sent")
      return
    }
    #expect(
      events == [
        .settled(link, id, expected[code] ?? .unknown)
      ]
    )
  }
}
