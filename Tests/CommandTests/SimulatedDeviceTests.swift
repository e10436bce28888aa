import HubContract
import JSONTree
import OperatorCommands
import Testing

@Suite("The simulated device")
struct SimulatedDeviceTests {
  private static let start = Timestamp(seconds: 1_767_323_045)

  private static func device(
    _ template: TelemetryTemplate = .readings(size: nil),
    seed: UInt64 = 1
  ) -> SimulatedDevice {
    SimulatedDevice(deviceID: "t", interval: 5, template: template, seed: seed, now: start)
  }

  @Test("Readings stay in a room's range and change slowly, over a week")
  func climate() {
    for seed in 0..<20 as Range<UInt64> {
      var climate = RoomClimate(seed: seed)
      var last: RoomClimate.Reading?
      for step in 0..<10_080 {
        let reading = climate.read(after: 60, secondOfDay: Double(step * 60 % 86_400))
        #expect((10...32).contains(reading.temperature), "seed \(seed) step \(step)")
        #expect((5...95).contains(reading.humidity), "seed \(seed) step \(step)")
        if let last { #expect(abs(last.temperature - reading.temperature) < 2) }
        last = reading
      }
    }
  }

  @Test("The same seed gives the same readings, another one others")
  func seeds() {
    func bodies(_ seed: UInt64) -> [[UInt8]] {
      var device = Self.device(seed: seed)
      return (1...5).map { device.telemetry(now: Self.start.adding(seconds: $0 * 5)).body }
    }
    #expect(bodies(7) == bodies(7))
    #expect(bodies(7) != bodies(8))
  }

  @Test("The room follows the target that is desired of it")
  func target() {
    var climate = RoomClimate(seed: 3)
    climate.target = 30
    var reading = climate.read(after: 0, secondOfDay: 32_400)
    for _ in 0..<240 { reading = climate.read(after: 60, secondOfDay: 32_400) }
    #expect((28...32).contains(reading.temperature))
  }

  @Test("A body is filled up to the size that was asked for", arguments: [200, 1024, 65_536])
  func size(_ bytes: Int) throws {
    var device = Self.device(.readings(size: bytes))
    let message = device.telemetry(now: Self.start)
    #expect(message.body.count == bytes)
    #expect(try JSON.parse(message.body)["device"] == "t")
  }

  @Test("A template is filled in, and a name that is none is found")
  func template() {
    var device = Self.device(.text(#"{"n":{{count}},"d":"{{ device }}","raw":"{{"}"#))
    let body = String(decoding: device.telemetry(now: Self.start).body, as: UTF8.self)
    #expect(body == #"{"n":1,"d":"t","raw":"{{"}"#)
    #expect(TelemetryTemplate.unknownNames(in: "{{temperature}} {{pressure}}") == ["pressure"])
    #expect(TelemetryTemplate.unknownNames(in: "no names") == [])
  }

  @Test("A body that is no JSON does not claim to be")
  func contentType() {
    func bag(_ template: TelemetryTemplate) -> [MessageProperty] {
      var device = Self.device(template)
      let bytes = device.telemetry(now: Self.start).bag
      return PropertyBag(bytes.span).properties()
    }
    #expect(bag(.readings(size: nil)).contains(MessageProperty("$.ct", "application/json")))
    #expect(!bag(.text("plain {{count}}")).contains { $0.name == "$.ct" })
  }

  @Test("It obeys a sensible interval and refuses another, and says which")
  func desired() {
    var device = Self.device()
    let good = device.obey(desired: ["telemetryInterval": 2], version: 4)
    #expect(device.telemetryInterval == 2)
    #expect(good["telemetryInterval"]?["ac"] == 200)
    #expect(good["telemetryInterval"]?["av"] == 4)
    for wish in [0, -1, "fast", 1e9, true] as [JSONValue] {
      let bad = device.obey(desired: ["telemetryInterval": wish], version: 5)
      #expect(bad["telemetryInterval"]?["ac"] == 400)
      #expect(device.telemetryInterval == 2)
    }
    #expect(device.obey(desired: ["other": 1, "$version": 9], version: nil).isEmpty)
    #expect(device.obey(desired: ["telemetryInterval": nil], version: 6).isEmpty)
  }

  @Test("Methods answer, and an unknown one names those there are")
  func methods() {
    let device = Self.device()
    let now = Self.start.adding(seconds: 60)
    let ping = device.answer(method: "ping", payload: ["a": 1], now: now)
    #expect(ping.status == 200)
    #expect(ping.payload["pong"] == ["a": 1])
    #expect(
      device.answer(method: "getStatus", payload: nil, now: now).payload["uptimeSeconds"] == 60
    )
    let reboot = device.answer(method: "reboot", payload: ["delay": 5], now: now)
    #expect(reboot.rebootDelay == 5)
    #expect(device.answer(method: "reboot", payload: ["delay": -1], now: now).status == 400)
    let unknown = device.answer(method: "fly", payload: nil, now: now)
    #expect(unknown.status == 404)
    #expect(unknown.rebootDelay == nil)
    #expect(unknown.payload["methods"]?.arrayValue?.isEmpty == false)
  }

  @Test(
    "Topics that a device receives on",
    arguments: [
      ("$iothub/methods/POST/a%2Ab/?$rid=7", ReceivedTopic.method(name: "a*b", requestID: "7")),
      (
        "$iothub/twin/res/200/?$rid=1",
        .twinResponse(status: 200, requestID: "1", version: nil)
      ),
      (
        "$iothub/twin/res/204/?$rid=2&$version=6",
        .twinResponse(status: 204, requestID: "2", version: 6)
      ),
      ("$iothub/twin/PATCH/properties/desired/?$version=3", .desired(version: 3)),
      (
        "devices/a?b/messages/devicebound/%24.mid=1&x=%2F",
        .cloudToDevice([MessageProperty("$.mid", "1"), MessageProperty("x", "/")])
      ),
      ("devices/other/messages/devicebound/", .unknown),
      ("$iothub/methods/POST/x", .unknown),
      ("$iothub/twin/res/abc/?$rid=1", .unknown),
      ("", .unknown),
    ]
  )
  func topics(_ text: String, _ meaning: ReceivedTopic) {
    #expect(ReceivedTopic(Array(text.utf8), deviceID: "a?b") == meaning)
  }
}
