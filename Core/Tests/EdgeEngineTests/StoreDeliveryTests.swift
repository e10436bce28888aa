import ByteIO
import EdgeEngine
import HubContract
import QueryLanguage
import Testing

@Suite("What a message carries to the store")
struct StoreDeliveryTests {
  @Test("an identifier counts on over both halves, and has the usual text")
  func identifiers() {
    let id = EdgeMessageID(high: 0x0123_4567_89AB_CDEF, low: .max - 1)
    #expect(id.text == "01234567-89ab-cdef-ffff-fffffffffffe")
    #expect(id.advanced(by: 1).text == "01234567-89ab-cdef-ffff-ffffffffffff")
    #expect(id.advanced(by: 2).text == "01234567-89ab-cdf0-0000-000000000000")
    #expect(EdgeMessageID(high: .max, low: .max).advanced(by: 1) == EdgeMessageID(high: 0, low: 0))
  }

  @Test("priorities have their class, queue and label")
  func classes() {
    #expect(PriorityClass(priority: 0).queueSuffix == "_Pri0")
    #expect(PriorityClass(priority: 9).rawValue == 9)
    #expect(PriorityClass(priority: 2_000_000_000) == .default)
    #expect(PriorityClass.default.queueSuffix == "")
    #expect(PriorityClass.default.priority == 2_000_000_000)
    #expect(PriorityClass.all.count == PriorityClass.count)
    #expect(PriorityClass.all == PriorityClass.all.sorted())
  }

  @Test("routes become deliveries: number, class, lifetime and what gives way")
  func routing() throws {
    let table = RouteTable(
      [
        try EdgeRoute(name: "up", "FROM /* INTO $upstream", priority: 3, timeToLive: .seconds(60)),
        try EdgeRoute(
          name: "in",
          #"FROM /messages/* INTO BrokeredEndpoint("/modules/m/inputs/i")"#,
          whenFull: .dropOldest
        ),
      ],
      timeToLive: .forever
    )
    var cache = DeliveryCache(table, endpoints: [300, 7])
    var routing = table.makeRouting()
    let message = EdgeMessage(
      source: .device,
      sender: IdentityKey(deviceID: "press"),
      enqueuedTime: Timestamp(milliseconds: 0),
      messageID: "",
      bag: [UInt8]().span,
      body: [UInt8]().span
    )
    routing.route(message, from: .device)
    let both = cache.routing(routing.deliveries)
    #expect(
      both
        == EventRouting([
          StoreDelivery(
            endpoint: 300,
            priority: PriorityClass(priority: 3),
            lifetimeSeconds: 60
          ),
          StoreDelivery(endpoint: 7, dropsOldest: true),
        ])
    )
    #expect(both.enrichmentBytes == [44, 1, 3, 0, 60, 0, 0, 0, 7, 0, 10, 1, 255, 255, 255, 255])
    #expect(cache.routing(routing.deliveries) == both)
    #expect(cache.routing([routing.deliveries[1]]).enrichmentBytes?.count == 8)
    #expect(
      StoreDelivery(endpoint: 1, lifetimeSeconds: UInt32.max).lifetimeSeconds == UInt32.max - 1,
      "the longest life ends"
    )
  }
}

extension EventRouting {
  /// What stands in a record.
  fileprivate var enrichmentBytes: [UInt8]? {
    var writer = ByteWriter()
    EventEncoder.append(
      stamp: EventStamp(identity: IdentityKey(deviceID: "d")),
      routing: self,
      bag: [UInt8]().span,
      body: [UInt8]().span,
      to: &writer
    )
    guard let view = try? EventView(writer.bytes.span) else { return nil }
    return view.bytes.extracting(view.enrichmentRange).array()
  }
}
