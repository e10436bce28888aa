import HubContract
import Testing

@Suite("User name (contract §3.1)")
struct UserNameTests {
  @Test(
    "the client ID follows the host literally",
    arguments: [
      ("hub.example/d1/?api-version=2019-10-01", "d1"),
      ("hub.example/d1?api-version=2019-10-01", "d1"),
      ("hub.example/d1/m1/?api-version=2019-10-01", "d1/m1"),
      ("hub.example/d?x/?api-version=2019-10-01", "d?x"),
      ("hub.example/#/?api-version=2019-10-01", "#"),
      ("hub.example/+/?x&api-version=2019-10-01&&y=1&y=2", "+"),
      ("hub.example/%2F/?api-version=2019%2D10-01", "%2F"),
    ]
  )
  func read(text: String, clientID: String) throws {
    let name = try UserName(text, clientID: clientID)
    #expect(name.host == "hub.example" && name.apiVersion == "2019-10-01")
    #expect(name.modelID == nil && name.authChain == nil && name.deviceClientType == nil)
  }

  @Test(
    "parameters may be absent",
    arguments: ["h/d", "h/d/", "h/d?", "h/d/?", "h/d/?api-version="]
  )
  func bare(text: String) throws {
    #expect(try UserName(text, clientID: "d").apiVersion == nil)
  }

  @Test("parameters are decoded, plus is a plus")
  func parameters() throws {
    let name = try UserName(
      "h/d/?api-version=2020-09-30&DeviceClientType=py%2F2.14.0%3B%20a+b%20%28x%29"
        + "&model-id=dtmi%3Acom%3Aexample%3BThermostat%3B1&auth-chain=c%3Be1;e2%2F$edgeHub",
      clientID: "d"
    )
    #expect(name.deviceClientType == "py/2.14.0; a+b (x)")
    #expect(name.modelID == "dtmi:com:example;Thermostat;1")
    #expect(name.authChain == ["c", "e1", "e2/$edgeHub"])
  }

  static let refused: [(String, String, UserNameFault)] = [
    ("", "d", .noHost), ("/d", "d", .noHost), ("hub", "d", .noHost), ("h/", "d", .otherClientID),
    ("h/d10/?x", "d1", .otherClientID), ("h/D/?x", "d", .otherClientID),
    ("h/d/m/?x", "d", .otherClientID), ("h/d//?x", "d", .otherClientID),
    ("h/d&api-version=1", "d", .otherClientID),
    ("h/d/?api-version=1&api-version=1", "d", .duplicate(parameter: "api-version")),
    ("h/d/?model-id=%F", "d", .malformed(parameter: "model-id")),
    ("h/d/?model-id=%FF", "d", .malformed(parameter: "model-id")),
    (
      "h/d/?model-id=\(String(repeating: "x", count: 2049))", "d",
      .malformed(parameter: "model-id")
    ),
    ("h/d/?auth-chain=a%20b", "d", .malformed(parameter: "auth-chain")),
    (
      "h/d/?auth-chain=\(String(repeating: "a;", count: 17))", "d",
      .malformed(parameter: "auth-chain")
    ),
    ("h/d/?x=\(String(repeating: "x", count: 4096))", "d", .tooLong(4103)),
  ]

  @Test("anything else is refused by the rule it breaks", arguments: refused)
  func refusals(text: String, clientID: String, expected: UserNameFault) {
    #expect(throws: expected) { _ = try UserName(text, clientID: clientID) }
  }
}
