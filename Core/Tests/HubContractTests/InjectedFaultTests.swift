import HubContract
import JSONTree
import Testing

@Suite("Injected faults: their bodies")
struct InjectedFaultTests {
  @Test(
    "What was read is written again",
    arguments: [
      #"{"name":"f","fault":"refuseConnections"}"#,
      #"{"name":"f","fault":"rejectCredentials","deviceId":"d","probability":0.5,"times":3}"#,
      #"{"name":"f","fault":"delayConnections","deviceId":"d","delayMilliseconds":60000}"#,
      #"{"name":"f","fault":"disconnect","everySeconds":30,"lifetimeSeconds":600}"#,
      #"{"name":"f","fault":"failRequests","path":"/twins","status":429,"retryAfterSeconds":2}"#,
      #"{"name":"f","fault":"delayRequests","delayMilliseconds":1}"#,
      #"{"name":"f","fault":"loseTelemetry"}"#,
      #"{"name":"f","fault":"slowLog","delayMilliseconds":50}"#,
      #"{"name":"f","fault":"dropMethods","deviceId":"d"}"#,
      #"{"name":"f","fault":"shiftClock","shiftSeconds":-7200}"#,
    ]
  )
  func whole(_ text: String) throws {
    var body = try #require(try JSON.parse(text).objectValue)
    body["name"] = nil
    let fault = try InjectedFault(name: "f", json: .object(body))
    #expect(JSON.bytes(.object(fault.json)) == Array(text.utf8))
  }

  @Test(
    "What is wrong is told by its member",
    arguments: [
      ("[]", "The body"), ("{}", "fault"), (#"{"fault":1}"#, "fault"),
      (#"{"fault":"burn"}"#, "refuseConnections"),
      (#"{"fault":"disconnect","status":503}"#, "status"),
      (#"{"fault":"disconnect","color":"red"}"#, "color"),
      (#"{"fault":"failRequests"}"#, "status"), (#"{"fault":"failRequests","status":404}"#, "401"),
      (#"{"fault":"failRequests","status":503,"path":"twins"}"#, "path"),
      (#"{"fault":"slowLog","delayMilliseconds":60001}"#, "60000"),
      (#"{"fault":"slowLog","delayMilliseconds":0}"#, "delayMilliseconds"),
      (#"{"fault":"slowLog","delayMilliseconds":"1"}"#, "delayMilliseconds"),
      (#"{"fault":"shiftClock","shiftSeconds":9223372036854775807}"#, "shiftSeconds"),
      (#"{"fault":"shiftClock","shiftSeconds":1,"times":2}"#, "times"),
      (#"{"fault":"loseTelemetry","probability":0}"#, "probability"),
      (#"{"fault":"loseTelemetry","probability":1.5}"#, "probability"),
      (#"{"fault":"loseTelemetry","times":0}"#, "times"),
      (#"{"fault":"loseTelemetry","lifetimeSeconds":-1}"#, "lifetimeSeconds"),
      (#"{"fault":"dropMethods","deviceId":"a b"}"#, "deviceId"),
    ]
  )
  func refusals(_ text: String, _ word: String) throws {
    let body = try JSON.parse(text)
    let error = #expect(throws: HubError.self) { try InjectedFault(name: "f", json: body) }
    #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
  }

  @Test(
    "A name has few characters",
    arguments: ["", "A", "a/b", String(repeating: "a", count: 65)]
  )
  func names(_ name: String) {
    #expect(throws: HubError.self) {
      try InjectedFault(name: name, json: ["fault": "loseTelemetry"])
    }
  }
}
