import HubContract
import HubEngine
import JSONTree
import Testing

@Suite("Trying routes")
struct RouteTesterTests {
  private static func one(
    _ condition: String,
    source: String = "DeviceMessages"
  ) throws -> JSONValue {
    let body: JSONValue = [
      "message": [
        "body": #"{"t":21}"#, "appProperties": ["level": "hot"],
        "systemProperties": ["$connectionDeviceId": "d1"],
      ],
      "route": [
        "name": "r", "source": .string(source), "condition": .string(condition),
        "endpointNames": ["events"],
      ],
      "twin": ["tags": ["site": "north"], "properties": ["desired": [:], "reported": [:]]],
    ]
    return try RouteTestRequest(json: body).result.json
  }

  @Test(
    "a route is true, false or undefined",
    arguments: [
      ("level = 'hot'", "true"), ("level = 'cold'", "false"), ("none = 'x'", "undefined"),
      ("$body.t = 21 AND $twin.tags.site = 'north' AND $connectionDeviceId = 'd1'", "true"),
      ("$body.t = 'x'", "undefined"), ("", "true"), ("level", "undefined"),
    ]
  )
  func values(_ condition: String, _ result: String) throws {
    #expect(
      try Self.one(condition)
        == ["result": .string(result), "details": ["compilationErrors": []]]
    )
  }

  @Test("a condition that does not compile is answered with the place")
  func compilationErrors() throws {
    let answer = try Self.one("level = 'hot' AND\n  as_numbre(x) > 3")
    #expect(answer["result"] == "undefined")
    let errors = answer["details"]?["compilationErrors"]?.arrayValue ?? []
    #expect(errors.count == 1 && errors.first?["severity"] == "error")
    #expect(
      errors.first?["location"]
        == ["start": ["line": 2, "column": 3], "end": ["line": 2, "column": 12]]
    )
    #expect(errors.first?["message"]?.stringValue?.contains("as_numbre") == true)
    let elsewhere = try Self.one("twin_change_includes(tags.a)")
    #expect(elsewhere["details"]?["compilationErrors"]?.arrayValue?.count == 1)
  }

  @Test("all matching routes are listed, or the fallback")
  func all() throws {
    var configuration = RoutingConfiguration()
    configuration.routes = [
      Route(name: "x", source: .telemetry, condition: "a = '1'", endpointNames: ["events"]),
      Route(name: "y", source: .telemetry, condition: "b = '2'", endpointNames: ["events"]),
      Route(
        name: "off",
        source: .telemetry,
        endpointNames: ["events"],
        isEnabled: false
      ),
      Route(name: "t", source: .twinChange, endpointNames: ["events"]),
    ]
    func names(_ properties: JSONValue, _ source: String?) throws -> [String] {
      var body: JSONObject = ["message": ["appProperties": properties]]
      if let source { body["routingSource"] = .string(source) }
      let request = try RouteTestAllRequest(json: .object(body))
      return try configuration.matches(request).map(\.name)
    }
    #expect(try names(["a": "1", "b": "2"], "DeviceMessages") == ["x", "y"])
    #expect(try names(["a": "1"], nil) == ["x", "t"])
    #expect(try names([:], "devicemessages") == ["$fallback"])
    #expect(try names([:], "DeviceLifecycleEvents") == [])
    configuration.fallback.isEnabled = false
    #expect(try names([:], "DeviceMessages") == [])
  }

  @Test(
    "wrong shapes are refused",
    arguments: [
      "[]", "{}", #"{"route":{"name":"r"}}"#, #"{"route":1}"#,
      #"{"message":{"appProperties":{"a":1}},"route":{"name":"r","source":"DeviceMessages"}}"#,
      #"{"message":[],"route":{"name":"r","source":"DeviceMessages"}}"#,
    ]
  )
  func refusals(_ body: String) throws {
    let json = try JSON.parse(body)
    #expect(throws: HubError.self) { _ = try RouteTestRequest(json: json) }
  }
}
