import HubContract
import JSONTree
import Testing

@Suite("Bodies of configurations (contract §7.8)")
struct ConfigurationBodyTests {
  @Test(
    "what breaks a rule is refused by its code",
    arguments: [
      (#"[]"#, 400_012),
      (#"{"id":"b"}"#, 400_004),
      (#"{"priority":-1}"#, 400_004),
      (#"{"priority":2147483648}"#, 400_004),
      (#"{"priority":"1"}"#, 400_012),
      (#"{"labels":{"a":1}}"#, 400_012),
      (#"{"metrics":{"queries":{"a":1}}}"#, 400_012),
      (#"{"targetCondition":1}"#, 400_012),
      (#"{"content":[]}"#, 400_012),
      (#"{"content":{}}"#, 400_402),
      (#"{"content":{"deviceContent":{},"moduleContent":{}}}"#, 400_402),
      (#"{"content":{"deviceContent":{"tags.a":1}}}"#, 400_402),
      (#"{"content":{"deviceContent":{"properties.reported.a":1}}}"#, 400_402),
      (#"{"content":{"deviceContent":{"properties.desiredx":1}}}"#, 400_402),
      (#"{"content":{"deviceContent":{"properties.desired.":1}}}"#, 400_402),
      (#"{"content":{"deviceContent":{"properties.desired.a..b":1}}}"#, 400_402),
      (#"{"content":{"deviceContent":{"properties.desired":1}}}"#, 400_402),
      (#"{"content":{"modulesContent":{"$edgeHub":{}}}}"#, 400_402),
      (#"{"content":{"modulesContent":{"$edgeAgent":{},"a b":{}}}}"#, 400_402),
      (#"{"content":{"modulesContent":{"$edgeAgent":{},"$other":{}}}}"#, 400_402),
      (#"{"content":{"modulesContent":{"$edgeAgent":1}}}"#, 400_402),
    ]
  )
  func refusals(body: String, code: Int) throws {
    let json = try JSON.parse(body)
    let refusal = #expect(throws: HubError.self) { try ConfigurationRequest(id: "a", body: json) }
    #expect(refusal?.code.rawValue == code, "\(refusal?.message ?? "")")
  }

  @Test(
    "an ID has lower-case letters, digits and - + % _ * ! '",
    arguments: ["", "A", "a b", "a."]
  )
  func ids(id: String) {
    let refusal = #expect(throws: HubError.self) { try ConfigurationRequest(id: id, body: [:]) }
    #expect(refusal?.code == .argumentInvalid)
  }

  @Test("keys become paths, shorter ones first; a device's whole section means its members")
  func settings() throws {
    let content = try ConfigurationContent(
      json: JSON.parse(
        """
        {"deviceContent":{"properties.desired.a.b":1,"properties.desired":{"c":2,"a":{}}},
        "modulesContent":null}
        """
      )
    )
    #expect(content.kind == .device)
    #expect(!content.isBase)
    let settings = content.parts.flatMap(\.settings)
    #expect(settings.map(\.path) == [["c"], ["a"], ["a", "b"]])
    #expect(settings.map(\.value) == [2, [:], 1])
  }

  @Test(
    "a deployment with all of $edgeAgent's properties is a base, any other a layer",
    arguments: [
      (#"{"$edgeAgent":{"properties.desired":{}}}"#, true),
      (#"{"$edgeAgent":{},"m":{"properties.desired":{}}}"#, false),
      (#"{"$edgeAgent":{"properties.desired.modules.m":{}}}"#, false),
    ]
  )
  func bases(modules: String, isBase: Bool) throws {
    let json = try JSON.parse(#"{"modulesContent":\#(modules)}"#)
    #expect(try ConfigurationContent(json: json).isBase == isBase)
  }

  @Test("a configuration that was read can be sent back and stored")
  func roundTrips() throws {
    let body = try JSON.parse(
      """
      {"id":"a","schemaVersion":"1.0","labels":{"x":"y"},"targetCondition":"tags.a = 1",
      "content":{"deviceContent":{"properties.desired.a":1.0}},"priority":7,
      "metrics":{"queries":{"m":"SELECT deviceId FROM devices"}}}
      """
    )
    let request = try ConfigurationRequest(id: "a", body: body)
    let configuration = Configuration(
      request,
      content: try #require(request.content),
      createdTime: Timestamp(seconds: 1_800_000_000),
      lastUpdatedTime: Timestamp(seconds: 1_800_000_001),
      etagCounter: 1
    )
    #expect(Configuration(document: configuration.document) == configuration)
    #expect(Configuration(document: [UInt8]("{}".utf8)) == nil)
    let answer = configuration.json(
      ConfigurationMetrics(
        system: [.init(name: "targetedCount", query: "q", count: 3)],
        custom: [.init(name: "m", query: "SELECT deviceId FROM devices", count: 2)]
      )
    )
    #expect(
      try JSONValue.object(answer)
        == JSON.parse(
          """
          {"id":"a","schemaVersion":"1.0","labels":{"x":"y"},
          "content":{"deviceContent":{"properties.desired.a":1.0}},"contentType":"assignment",
          "targetCondition":"tags.a = 1","createdTimeUtc":"2027-01-15T08:00:00.0000000Z",
          "lastUpdatedTimeUtc":"2027-01-15T08:00:01.0000000Z","priority":7,
          "systemMetrics":{"results":{"targetedCount":3},"queries":{"targetedCount":"q"}},
          "metrics":{"results":{"m":2},"queries":{"m":"SELECT deviceId FROM devices"}},
          "etag":"MQ=="}
          """
        )
    )
    #expect(try ConfigurationRequest(id: "a", body: .object(answer)) == request)
  }
}
