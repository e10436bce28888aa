import HubContract
import HubEngine
import JSONTree
import Testing

@Suite("What routes ask of twins (contract §9.2, §9.4)")
struct TwinProjectionTests {
  private static func projection(
    _ conditions: [String],
    enrichments: [String] = []
  ) throws -> TwinProjection {
    var configuration = RoutingConfiguration()
    configuration.routes = conditions.enumerated().map { index, condition in
      Route(
        name: "r\(index)",
        source: .telemetry,
        condition: condition,
        endpointNames: ["events"]
      )
    }
    configuration.enrichments = enrichments.enumerated().map { index, value in
      Enrichment(key: "k\(index)", value: value, endpointNames: ["events"])
    }
    return try RoutingTable(configuration, hubName: "h").twinProjection
  }

  private static let twin = TwinRecord(
    key: IdentityKey(deviceID: "d"),
    tags: [UInt8](#"{"a":{"b":1,"c":2},"list":[{"x":1},2],"other":"o"}"#.utf8),
    desired: TwinSection(properties: [UInt8](#"{"p":true,"q":1}"#.utf8)),
    reported: TwinSection(properties: [UInt8](#"{"p":"r"}"#.utf8))
  )

  @Test(
    "only what is asked for is kept, arrays as a whole, and nothing for what leads nowhere",
    arguments: [
      ("$twin.tags.a.b = 1", #"{"tags":{"a":{"b":1}}}"#),
      ("is_object($twin.tags.a) OR $twin.tags.a.b = 2", #"{"tags":{"a":{"b":1,"c":2}}}"#),
      ("$twin.tags.list[0].x = 1", #"{"tags":{"list":[{"x":1},2]}}"#),
      (
        "$twin.properties.desired.p AND $twin.properties.reported.p = 'r'",
        #"{"properties":{"desired":{"p":true},"reported":{"p":"r"}}}"#
      ),
      ("$twin.tags.none = 1 OR $twin.deviceId = 'd' OR $twin.tags.a.b.c = 1", "{}"),
    ]
  )
  func parts(_ condition: String, _ expected: String) throws {
    let projection = try Self.projection([condition])
    #expect(!projection.isEmpty)
    #expect(projection(Self.twin) == (try JSON.parse(expected)))
  }

  @Test("routes and enrichments ask together, each thing once; without them nothing is asked")
  func together() throws {
    #expect(try Self.projection(["a = 'b'"], enrichments: ["$iothubname"]).isEmpty)
    let both = try Self.projection(
      ["$twin.tags.other = 'o'"],
      enrichments: ["$twin.tags.other", "$twin.properties.desired.q"]
    )
    let expected = #"{"tags":{"other":"o"},"properties":{"desired":{"q":1}}}"#
    #expect(both(Self.twin) == (try JSON.parse(expected)))
    let again = try Self.projection(["true"], enrichments: ["$twin.properties.desired.q"])
    #expect(both != again)
  }
}
