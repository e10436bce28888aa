import ByteIO
import HubContract
import Testing

/// What a topic means, with ranges turned into the text they cover.
private func meaning(_ topic: String, _ topics: DeviceTopics) -> String {
  let bytes = [UInt8](topic.utf8)
  func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
  return switch topics.classify(bytes.span) {
  case .telemetry(let bag): "telemetry \(text(bag))"
  case .twinGet(let requestID): "get \(text(requestID))"
  case .twinPatch(let requestID, let version):
    "patch \(text(requestID)) \(version.map(String.init) ?? "-")"
  case .methodResponse(let status, let requestID):
    "response \(status.map(String.init) ?? "-") \(text(requestID))"
  case .foreign: "foreign"
  case .unknown: "unknown"
  case .malformed: "malformed"
  }
}

private func meaning(filter: String, _ topics: DeviceTopics) -> String {
  let bytes = [UInt8](filter.utf8)
  return switch topics.classify(filter: bytes.span) {
  case .methods(let name?): "methods \(String(decoding: bytes[name], as: UTF8.self))"
  case let other: "\(other)"
  }
}

@Suite("Topics of a device (contract §1.3, §3.3)")
struct DeviceTopicsTests {
  static let device = DeviceTopics(IdentityKey(deviceID: "d1"))
  static let module = DeviceTopics(IdentityKey(deviceID: "d1", moduleID: "m1"))

  @Test(
    "what a device may publish to",
    arguments: [
      ("devices/d1/messages/events/", "telemetry "),
      ("devices/d1/messages/events/a=b&c=/d", "telemetry a=b&c=/d"),
      ("devices/d1/messages/events/?a=b", "telemetry ?a=b"),
      ("devices/d1/messages/events", "foreign"),
      ("devices/d10/messages/events/", "foreign"),
      ("devices/D1/messages/events/", "foreign"),
      ("devices/d1/modules/m1/messages/events/", "foreign"),
      ("devices/d1/messages/devicebound/x", "foreign"),
      ("devices/d1/messages/events/a=+", "malformed"),
      ("devices/d1/messages/events/#", "malformed"),
      ("devices/d1/messages/events/a\0", "malformed"),
      ("$iothub/twin/GET/?$rid=1", "get 1"),
      ("$iothub/twin/GET/?$rid=a%20b-c", "get a%20b-c"),
      ("$iothub/twin/GET/?%24rid=1", "get 1"),
      ("$iothub/twin/GET/?x=2&$rid=1&y", "get 1"),
      ("$iothub/twin/GET/?$rid=", "get "),
      ("$iothub/twin/GET/?rid=1", "malformed"),
      ("$iothub/twin/GET/?", "malformed"),
      ("$iothub/twin/GET/?$rid=1&$rid=2", "malformed"),
      ("$iothub/twin/GET/?$rid=+", "malformed"),
      ("$iothub/twin/GET/", "unknown"),
      ("$iothub/twin/PATCH/properties/reported/?$rid=r", "patch r -"),
      ("$iothub/twin/PATCH/properties/reported/?$rid=r&$version=7", "patch r 7"),
      ("$iothub/twin/PATCH/properties/reported/?$version=7&$rid=r", "patch r 7"),
      ("$iothub/twin/PATCH/properties/reported/?$rid=r&$version=x", "malformed"),
      ("$iothub/twin/PATCH/properties/reported/?$rid=r&$version=", "malformed"),
      (
        "$iothub/twin/PATCH/properties/reported/?$rid=r&$version=99999999999999999999",
        "malformed"
      ),
      ("$iothub/twin/PATCH/properties/desired/?$rid=r", "unknown"),
      ("$iothub/methods/res/200/?$rid=a", "response 200 a"),
      ("$iothub/methods/res/-1/?$rid=a", "response -1 a"),
      ("$iothub/methods/res/ok/?$rid=a", "response - a"),
      ("$iothub/methods/res//?$rid=a", "response - a"),
      ("$iothub/methods/res/200/", "malformed"),
      ("$iothub/methods/res/200", "malformed"),
      ("$iothub/methods/res/200/x?$rid=a", "malformed"),
      ("$iothub/methods/POST/x/?$rid=a", "unknown"),
      ("$iothub/", "unknown"), ("$SYS/x", "unknown"), ("", "unknown"), ("d", "unknown"),
      ("devices", "unknown"), ("devices/", "foreign"),
    ]
  )
  func published(topic: String, expected: String) {
    #expect(meaning(topic, Self.device) == expected)
  }

  @Test("a wildcard or a NUL is found wherever it stands in the properties")
  func wildcardAnywhere() {
    for length in 1...20 {
      let clean = [UInt8](repeating: UInt8(ascii: "\""), count: length)
      let stem = [UInt8]("devices/d1/messages/events/".utf8)
      #expect(Self.device.classify((stem + clean).span) == .telemetry(bag: 27..<27 + length))
      for position in 0..<length {
        for byte in [UInt8(ascii: "#"), UInt8(ascii: "+"), 0] {
          var bag = clean
          bag[position] = byte
          #expect(Self.device.classify((stem + bag).span) == .malformed, "\(length) \(position)")
        }
        for byte in [UInt8](1...255) where byte != UInt8(ascii: "#") && byte != UInt8(ascii: "+") {
          var bag = clean
          bag[position] = byte
          let topic = stem + bag
          guard case .telemetry = Self.device.classify(topic.span) else {
            Issue.record("byte \(byte) at \(position) of \(length)")
            return
          }
        }
      }
    }
  }

  @Test("a module publishes under its own name alone")
  func modulePublishes() {
    #expect(meaning("devices/d1/modules/m1/messages/events/x", Self.module) == "telemetry x")
    #expect(meaning("devices/d1/messages/events/x", Self.module) == "foreign")
    #expect(meaning("devices/d1/modules/m2/messages/events/x", Self.module) == "foreign")
  }

  @Test(
    "IDs are literal bytes, whatever they look like",
    arguments: ["#", "+", "a?x", "$", "%2F", "d=1", "a%"]
  )
  func hostileIDs(id: String) {
    let topics = DeviceTopics(IdentityKey(deviceID: id))
    #expect(meaning("devices/\(id)/messages/events/a=b", topics) == "telemetry a=b")
    #expect(meaning("devices/d1/messages/events/a=b", topics) == "foreign")
    #expect(meaning("devices/\(id)x/messages/events/a=b", topics) == "foreign")
    #expect(meaning(filter: "devices/\(id)/messages/devicebound/#", topics) == "devicebound")
    #expect(meaning(filter: "devices/d1/messages/devicebound/#", topics) == "refused")
    let module = DeviceTopics(IdentityKey(deviceID: id, moduleID: id))
    #expect(meaning("devices/\(id)/modules/\(id)/messages/events/", module) == "telemetry ")
    #expect(meaning(filter: "devices/\(id)/modules/\(id)/#", module) == "moduleAll")
  }

  @Test(
    "what a device may subscribe to",
    arguments: [
      ("devices/d1/messages/devicebound/#", "devicebound"),
      ("$iothub/twin/res/#", "twinResponses"), ("$iothub/twin/res/", "twinResponses"),
      ("$iothub/twin/res", "twinResponses"),
      ("$iothub/twin/PATCH/properties/desired/#", "desiredPatches"),
      ("$iothub/twin/PATCH/properties/desired/", "desiredPatches"),
      ("$iothub/methods/POST/#", "methods(name: nil)"),
      ("$iothub/methods/POST/reboot/#", "methods reboot"),
      ("$iothub/methods/POST/a%20b/#", "methods a%20b"),
      ("$iothub/methods/POST/+/#", "refused"), ("$iothub/methods/POST/", "refused"),
      ("$iothub/methods/POST//#", "refused"), ("$iothub/methods/POST/a/b/#", "refused"),
      ("$iothub/methods/POST/a", "refused"), ("$iothub/methods/POST/a/", "refused"),
      ("devices/d1/messages/devicebound/+", "refused"), ("devices/d1/messages/#", "refused"),
      ("devices/d1/#", "refused"), ("devices/+/messages/devicebound/#", "refused"),
      ("devices/d2/messages/devicebound/#", "refused"),
      ("devices/d1/modules/m1/inputs/#", "refused"), ("devices/d1/messages/events/#", "refused"),
      ("#", "refused"), ("+", "refused"), ("$iothub/#", "refused"), ("$iothub/twin/#", "refused"),
      ("$iothub/twin/res/200", "refused"), ("$SYS/#", "refused"), ("", "refused"),
    ]
  )
  func subscribed(filter: String, expected: String) {
    #expect(meaning(filter: filter, Self.device) == expected)
  }

  @Test("a module subscribes to its inputs, and has no cloud-to-device messages")
  func moduleSubscribes() {
    #expect(meaning(filter: "devices/d1/modules/m1/inputs/#", Self.module) == "moduleInputs")
    #expect(meaning(filter: "devices/d1/modules/m1/#", Self.module) == "moduleAll")
    #expect(meaning(filter: "devices/d1/messages/devicebound/#", Self.module) == "refused")
    #expect(meaning(filter: "devices/d1/modules/m2/#", Self.module) == "refused")
    #expect(meaning(filter: "$iothub/methods/POST/#", Self.module) == "methods(name: nil)")
  }

  @Test("topics that the hub publishes to (contract §3.5 to §3.7)")
  func built() {
    func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
    let requestID = [UInt8]("a%2Fb".utf8)
    #expect(
      text(DeviceTopics.devicebound(deviceID: "d#", bag: [UInt8]("a=b".utf8)))
        == "devices/d#/messages/devicebound/a=b"
    )
    #expect(
      text(DeviceTopics.twinResponse(status: 200, requestID: requestID.span))
        == "$iothub/twin/res/200/?$rid=a%2Fb"
    )
    #expect(
      text(DeviceTopics.twinResponse(status: 204, requestID: requestID.span, version: 5))
        == "$iothub/twin/res/204/?$rid=a%2Fb&$version=5"
    )
    #expect(
      text(DeviceTopics.desiredPatch(version: 9))
        == "$iothub/twin/PATCH/properties/desired/?$version=9"
    )
    #expect(
      text(DeviceTopics.methodRequest(name: "c*do it", requestID: "1f"))
        == "$iothub/methods/POST/c%2Ado%20it/?$rid=1f"
    )
  }

  @Test("any bytes are classified without harm, and never as more than they are")
  func randomTopics() {
    var generator = SeededGenerator(seed: 1)
    let stems = [
      "devices/d1/", "$iothub/twin/GET/?", "$iothub/methods/res/", "$iothub/methods/POST/",
    ]
    for round in 0..<20_000 {
      var bytes = [UInt8]((stems.randomElement(using: &generator) ?? "").utf8)
      for _ in 0..<Int.random(in: 0..<20, using: &generator) {
        bytes.append([UInt8]("$rid=&?/%24#+x1".utf8).randomElement(using: &generator) ?? 0)
      }
      if case .telemetry = Self.device.classify(bytes.span) {
        let isOwn = String(decoding: bytes, as: UTF8.self).hasPrefix("devices/d1/messages/events/")
        #expect(isOwn, "round \(round)")
      }
      _ = Self.device.classify(filter: bytes.span)
      _ = Self.module.classify(filter: bytes.span)
    }
  }
}
