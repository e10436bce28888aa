import ByteIO
import HubContract
import HubEngine
import JSONTree
import Testing

@Suite("What conditions can ask of a message (contract §9.4)")
struct RoutedEventTests {
  private static func ask(
    _ condition: String,
    bag: String = "",
    body: [UInt8] = [],
    source: EventSource = .telemetry,
    flags: EventFlags = [],
    twin: JSONValue? = nil
  ) throws -> Bool {
    var configuration = RoutingConfiguration()
    configuration.routes = [
      Route(name: "r", source: source, condition: condition, endpointNames: ["events"])
    ]
    configuration.fallback.isEnabled = false
    let table = try RoutingTable(configuration, hubName: "h")
    let bag = [UInt8](bag.utf8)
    let event = RoutedEvent(
      source: source,
      sender: RoutedEvent.Sender(
        identity: IdentityKey(deviceID: "d1", moduleID: "m1"),
        authMethod: ConnectionAuthMethod(scope: .module, type: .sas),
        generationID: "637",
        modelID: "dtmi:x;1"
      ),
      flags: flags,
      enqueuedTime: .epoch,
      bag: bag.span,
      body: body.span,
      twin: twin
    )
    return !table.decide(source, event, byteCount: body.count).destinations.isEmpty
  }

  @Test(
    "properties come from the bag, the connection and the hub",
    arguments: [
      ("a = 'b'", "a=b", true), ("a = 'b'", "a=c&a=b", true), ("a = 'c'", "a=c&a=b", false),
      ("a = 'ä b'", "%61=%C3%A4%20b", true), ("ab = 'x'", "a%62=x", true),
      ("ab = 'x'", "a%6=x", false), ("ab = 'x'", "ab%=x", false), ("ab = 'x'", "a=x", false),
      ("IS_DEFINED(a)", "a=b&a", false), ("a = 'b'", "a&a=b", true), ("IS_DEFINED(a)", "a", false),
      ("a = ''", "a=", true), ("is_defined(b)", "a=b", false),
      ("$messageId = '7'", "%24.mid=7", true), ("$contentType = 'x'", "$.ct=x", true),
      ("$contentEncoding = 'x' and $userId = 'u'", "$.ce=x&$.uid=u", true),
      ("$correlationId = 'c' and $to = 't'", "$.cid=c&$.to=t", true),
      ("$outputName = 'o'", "$.on=o", true), ("{$dt-subject} = 's'", "$.sub=s", true),
      ("$connectionDeviceId = 'd1' and $connectionModuleId = 'm1'", "$.cdid=x", true),
      ("$connectionDeviceGenerationId = '637'", "", true),
      ("contains($connectionAuthMethod, '\\\"sas\\\"')", "", true),
      ("{$dt-dataschema} = 'dtmi:x;1'", "", true),
      ("$enqueuedTime = '1970-01-01T00:00:00.0000000Z'", "", true),
      ("{$iothub-message-source} = 'Telemetry'", "", true),
      ("iothub-message-schema = 's'", "$.schema=s", true),
      ("is_defined($nothing)", "$.mid=7", false),
    ]
  )
  func properties(_ condition: String, _ bag: String, _ expected: Bool) throws {
    #expect(try Self.ask(condition, bag: bag) == expected)
  }

  @Test("what the hub adds by flag can be asked for, a child's name only from an edge hub")
  func flags() throws {
    #expect(try Self.ask("mqtt-retain = 'true'", flags: .retain))
    #expect(try !Self.ask("mqtt-retain = 'true'"))
    #expect(try Self.ask("iothub-MessageType = 'Will'", flags: .will))
    #expect(try Self.ask("$connectionDeviceId = 'x'", bag: "$.cdid=x", flags: .onBehalfOfChild))
  }

  @Test("bodies are read in UTF-8, UTF-16 and UTF-32, in both orders, with and without a mark")
  func encodings() throws {
    let text = #"{"t":"ä😀"}"#
    func bytes(_ units: [UInt32], width: Int, big: Bool) -> [UInt8] {
      units.flatMap { unit in
        let all = (0..<width).map { UInt8(truncatingIfNeeded: unit >> UInt32(8 * $0)) }
        return big ? all.reversed() : all
      }
    }
    let words = text.utf16.map { UInt32($0) }
    let scalars = text.unicodeScalars.map(\.value)
    var rows: [(String, [UInt8])] = [("utf-8", [UInt8](text.utf8)), ("UTF-8", [UInt8](text.utf8))]
    for big in [true, false] {
      for mark in [[], [UInt32(0xFEFF)]] {
        rows.append(("utf-16", bytes(mark + words, width: 2, big: big)))
        rows.append(("utf-32", bytes(mark + scalars, width: 4, big: big)))
      }
    }
    for (encoding, body) in rows {
      let bag = "$.ct=application/json&$.ce=\(encoding)"
      #expect(try Self.ask("$body.t = 'ä😀'", bag: bag, body: body), "\(encoding) \(body)")
      // Cut in the middle of a unit, and a lone surrogate.
      #expect(try !Self.ask("is_defined($body.t)", bag: bag, body: body.dropLast()))
      #expect(try !Self.ask("is_defined($body.t)", bag: bag, body: []))
    }
    for (encoding, body) in [("utf-16", [0, 0x7B, 0xD8, 0]), ("utf-32", [0, 0x11, 0, 0])] {
      let bag = "$.ct=application/json&$.ce=\(encoding)"
      #expect(try !Self.ask("is_defined($body)", bag: bag, body: body.map { UInt8($0) }))
    }
    #expect(try !Self.ask("$body.t = 'ä😀'", bag: "$.ct=application/json", body: [UInt8](text.utf8)))
  }

  @Test("the twin is the sender's")
  func twin() throws {
    #expect(try Self.ask("$twin.tags.a = 1", twin: ["tags": ["a": 1]]))
    #expect(try !Self.ask("$twin.tags.a = 1"))
  }

  @Test("twin changes are asked for by path")
  func twinChange() throws {
    let bag = "$.ct=application/json&$.ce=utf-8&opType=updateTwin"
    let body = [UInt8](#"{"tags":{"a":null}}"#.utf8)
    let condition = "twin_change_includes(tags.a) AND opType = 'updateTwin'"
    #expect(try Self.ask(condition, bag: bag, body: body, source: .twinChange))
    #expect(
      try !Self.ask("twin_change_includes(tags.b)", bag: bag, body: body, source: .twinChange)
    )
  }
}
