import ByteIO
import EdgeEngine
import HubContract
import QueryLanguage
import Testing

@Suite("Routes of an edge (edge contract 6.2)")
struct RouteTableTests {
  @Test("a source matches paths that begin with it, on whole segments, ignoring case")
  func sources() throws {
    let sources: [(String, MessageSource)] = [
      ("/messages", .device), ("/messages/modules/Reader", .module("Reader")),
      ("/messages/modules/reader/outputs/Alarm", .output("Alarm", module: "reader")),
      ("/twinChangeNotifications", .twinChange),
    ]
    let rows: [(String, [Bool])] = [
      ("/*", [true, true, true, true]), ("/messages/*", [true, true, true, false]),
      ("/messages", [true, true, true, false]), ("/MESSAGES/**", [true, true, true, false]),
      ("/messages/modules/*", [false, true, true, false]),
      ("/messages/modules/READER/*", [false, true, true, false]),
      ("/messages/modules/reader", [false, true, true, false]),
      ("/messages/modules/reader*", [false, true, true, false]),
      ("/messages/modules/read*", [false, false, false, false]),
      ("/messages/modules/reader/outputs/*", [false, false, true, false]),
      ("/messages/modules/reader/outputs/alarm", [false, false, true, false]),
      ("/messages/modules/reader/outputs/alarms", [false, false, false, false]),
      ("/messages/modules/*/outputs/alarm", [false, false, false, false]),
      ("/*/modules", [false, false, false, false]),
      ("/twinChangeNotifications", [false, false, false, true]),
      ("/twinchangenotifications/*", [false, false, false, true]),
      ("/elsewhere/*", [false, false, false, false]),
    ]
    for (text, expected) in rows {
      let source = RouteSource(try RouteStatement("FROM \(text) INTO $upstream").source)
      #expect(sources.map { source.matches($0.1) } == expected, "\(text)")
      #expect(sources.map { source.matches(path: $0.0) } == expected, "\(text)")
    }
  }

  @Test("letters beyond ASCII ignore case too")
  func unicodeSources() throws {
    let source = RouteSource(
      try RouteStatement("FROM /messages/modules/m/outputs/ÉTÉ INTO $upstream").source
    )
    #expect(source.matches(.output("été", module: "m")))
    #expect(source.matches(.output("ÉTé", module: "m")))
    #expect(!source.matches(.output("ete", module: "m")))
  }

  private func endpoints(_ table: RouteTable, _ bag: String, from source: MessageSource) -> [String]
  {
    let bag = Array(bag.utf8)
    let body = Array(#"{"t":21}"#.utf8)
    let message = EdgeMessage(
      source: source,
      sender: IdentityKey(deviceID: "edge1", moduleID: "m"),
      enqueuedTime: .epoch,
      messageID: "1",
      bag: bag.span,
      body: body.span
    )
    var routing = table.makeRouting()
    // Twice: what the first left behind does not show.
    for _ in 0..<2 { routing.route(message, from: source) }
    return routing.deliveries.map { delivery in
      let life =
        switch delivery.timeToLive {
        case .seconds(let seconds): "\(seconds)"
        case .forever: "forever"
        }
      let route = table.routes[delivery.route]
      #expect(route.statement.sink == table.endpoints[delivery.endpoint])
      return "\(route.name) \(delivery.priority) \(life)"
    }
  }

  @Test("all matching routes, an endpoint once, by the highest priority and the longest life")
  func decisions() throws {
    let dashboard = #"INTO BrokeredEndpoint("/modules/dash/inputs/a")"#
    let table = RouteTable(
      [
        try EdgeRoute(name: "all", "FROM /* INTO $upstream"),
        try EdgeRoute(
          name: "low",
          "FROM /messages/* WHERE level > 3 INTO $upstream",
          priority: 9,
          timeToLive: .seconds(5)
        ),
        try EdgeRoute(
          name: "short",
          "FROM /messages/* WHERE alert = true INTO $upstream",
          priority: 0,
          timeToLive: .seconds(1)
        ),
        try EdgeRoute(
          name: "long",
          "FROM /messages/* WHERE alert = true INTO $upstream",
          priority: 0,
          timeToLive: .forever
        ),
        try EdgeRoute(name: "dash", "FROM /messages/modules/* WHERE $body.t > 20 \(dashboard)"),
        try EdgeRoute(name: "same", "FROM /messages/modules/* \(dashboard)"),
      ],
      timeToLive: .seconds(7200)
    )
    #expect(table.endpoints.count == 2)
    #expect(table.needsBody)
    let last: UInt32 = EdgeRoute.defaultPriority
    let json = "%24.ct=application%2Fjson&%24.ce=utf-8"
    let rows: [(String, MessageSource, [String])] = [
      ("", .twinChange, ["all \(last) 7200"]), ("level=2", .device, ["all \(last) 7200"]),
      ("level=4", .device, ["low 9 5"]), ("LEVEL=4&alert=True", .device, ["long 0 forever"]),
      ("", .module("m"), ["all \(last) 7200", "same \(last) 7200"]),
      (json, .module("m"), ["all \(last) 7200", "dash \(last) 7200"]),
      ("alert=true&\(json)", .module("m"), ["long 0 forever", "dash \(last) 7200"]),
    ]
    for (bag, source, expected) in rows {
      #expect(endpoints(table, bag, from: source) == expected, "\(bag), \(source)")
    }
    let none = RouteTable([], timeToLive: .forever)
    #expect(endpoints(none, "", from: .device) == [])
  }

  @Test("random routes and messages: as each route on its own would decide", arguments: 1...6)
  func differential(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    func pick<Element>(_ elements: [Element]) -> Element {
      elements[Int.random(in: 0..<elements.count, using: &generator)]
    }
    let names = ["type", "Level", "%C3%89t%C3%A9", "a", "%24own"]
    let values = ["1", "12.5", "pump", "%70ump", "a%20b", "true", "", "%FF", "x=y"]
    let tests = [
      "type = 'pump'", "level > 3", "été = 'a b'", "a = true", "$own = 'pump'",
      "$connectionDeviceId = 'd1'",
      "is_defined(a)", "type = '\\uFFFD'", "$contentType = 'text'", "level = 'x=y'", "$body.t > 20",
      "NOT is_null(level)", "starts_with(type, 'pu')",
    ]
    let sources = ["/*", "/messages/*", "/messages/modules/*", "/messages/modules/m/outputs/o"]
    let routes = try (0..<40).map { number in
      let condition = (0...Int.random(in: 0..<3, using: &generator)).map { _ in pick(tests) }
        .joined(separator: pick([" AND ", " OR "]))
      let sink = pick(["$upstream", "BrokeredEndpoint('/modules/a/inputs/\(number % 7)')"])
      return try EdgeRoute(
        name: "\(number)",
        "FROM \(pick(sources)) WHERE \(condition) INTO \(sink)",
        priority: UInt32.random(in: 0...9, using: &generator)
      )
    }
    let table = RouteTable(routes, timeToLive: .forever)
    var routing = table.makeRouting()
    var deliveries = 0
    for round in 0..<200 {
      let bag =
        (0..<Int.random(in: 0..<6, using: &generator)).map { _ in
          pick(names) + pick(["=" + pick(values), ""])
        }.joined(separator: "&")
        + pick(["", "&%24.ct=application%2Fjson&$.ce=utf-8", "&$.ct=text"])
      let bytes = Array(bag.utf8)
      let body = Array(#"{"t":21}"#.utf8)
      let source = pick([
        MessageSource.device, .module("m"), .output("O", module: "M"), .twinChange,
      ])
      let message = EdgeMessage(
        source: source,
        sender: IdentityKey(deviceID: pick(["d1", "d2"]), moduleID: "m"),
        enqueuedTime: .epoch,
        messageID: "1",
        bag: bytes.span,
        body: body.span
      )
      var expected: [Int] = []
      var chosen: [RouteStatement.Sink] = []
      for (number, route) in table.routes.enumerated() {
        guard route.source.matches(source), !chosen.contains(route.statement.sink),
          route.statement.condition.evaluate(message) == .true
        else { continue }
        expected.append(number)
        chosen.append(route.statement.sink)
      }
      deliveries += expected.count
      routing.route(message, from: source)
      #expect(routing.deliveries.map(\.route) == expected, "\(round): \(bag)")
      routing.route(message, from: table.candidates(from: source))
      #expect(routing.deliveries.map(\.route) == expected, "\(round): \(bag)")
    }
    #expect(deliveries > 100)
  }
}
