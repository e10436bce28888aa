import ByteIO
package import HubContract
package import JSONTree

/// What a simulated thermostat is and does, without its connection: values in, values out.
package struct SimulatedDevice: Sendable {
  /// Its ID.
  package let deviceID: String
  /// Seconds between two messages.
  package private(set) var telemetryInterval: Double
  /// Messages that it has sent.
  package private(set) var messageCount: Int64 = 0
  /// Times that it was started.
  package private(set) var bootCount: Int64 = 1
  private var climate: RoomClimate
  private var generator: SeededGenerator
  private var lastReading: Timestamp
  private var startTime: Timestamp
  private let template: TelemetryTemplate

  /// A method's answer.
  package struct MethodAnswer: Equatable, Sendable {
    /// The status, as HTTP has them.
    package let status: Int
    /// The payload.
    package let payload: JSONValue
    /// Seconds after which the device starts anew; nil for none.
    package var rebootDelay: Double?
  }

  /// A message to send.
  package struct Telemetry: Equatable, Sendable {
    /// System and application properties.
    package let bag: [UInt8]
    /// The body.
    package let body: [UInt8]
  }

  /// The shortest interval that a desired property may ask for, in seconds.
  package static let shortestInterval = 0.1
  /// The methods that it knows.
  package static let methods = ["ping", "reboot", "getStatus", "identify"]
  /// Degrees above which a message says so in a property.
  static let alarmTemperature = 30.0

  /// Switches it on.
  package init(
    deviceID: String,
    interval: Double,
    template: TelemetryTemplate,
    seed: UInt64,
    now: Timestamp
  ) {
    self.deviceID = deviceID
    telemetryInterval = interval
    self.template = template
    climate = RoomClimate(seed: seed)
    generator = SeededGenerator(seed: ~seed)
    lastReading = now
    startTime = now
  }

  // MARK: Telemetry

  /// The next message.
  package mutating func telemetry(now: Timestamp) -> Telemetry {
    let seconds = Double(now.ticks - lastReading.ticks) / 1e7
    lastReading = now
    let day = Double((now.milliseconds % 86_400_000 + 86_400_000) % 86_400_000) / 1000
    let reading = climate.read(after: seconds, secondOfDay: day)
    messageCount += 1
    let body = template.body([
      "device": .string(deviceID), "count": .int(messageCount), "time": .string(now.iso8601),
      "temperature": .double(reading.temperature), "humidity": .double(reading.humidity),
      "random": .double(Double.random(in: 0..<1, using: &generator)),
    ])
    var bag = PropertyBagWriter()
    bag.append(.messageID, "\(bootCount)-\(messageCount)")
    if (try? JSON.parse(body)) != nil {
      bag.append(.contentType, "application/json")
      bag.append(.contentEncoding, "utf-8")
    }
    if reading.temperature > Self.alarmTemperature {
      bag.append(MessageProperty("temperatureAlert", "true"))
    }
    return Telemetry(bag: bag.bytes, body: body)
  }

  /// How long until the next message, in seconds: its interval, a twentieth more or less, so that many
  /// devices do not fall into step.
  package mutating func pause() -> Double {
    telemetryInterval * Double.random(in: 0.95...1.05, using: &generator)
  }

  // MARK: Twin

  /// What it reports about itself when it connects.
  package var selfReport: JSONObject {
    [
      "model": "orrery simulated thermostat", "firmware": "1.2.0",
      "bootCount": .int(bootCount), "startTime": .string(startTime.iso8601),
    ]
  }

  /// Obeys desired properties; what to report about that, empty if there was nothing for it.
  ///
  /// Each property is answered with its value and a status, as the plug-and-play conventions do:
  /// 200 obeyed, 400 not a value that it takes.
  package mutating func obey(desired: JSONObject, version: Int64?) -> JSONObject {
    var report = JSONObject()
    let version = version ?? desired["$version"]?.int64Value ?? 0
    func answer(_ value: JSONValue, _ status: Int64, _ text: String) -> JSONValue {
      ["value": value, "ac": .int(status), "av": .int(version), "ad": .string(text)]
    }
    if let wish = desired["telemetryInterval"], !wish.isNull {
      if let seconds = wish.doubleValue, (Self.shortestInterval...86_400).contains(seconds) {
        telemetryInterval = seconds
        report["telemetryInterval"] = answer(wish, 200, "applied")
      } else {
        report["telemetryInterval"] = answer(
          Self.number(telemetryInterval),
          400,
          "seconds, 0.1 to 86400"
        )
      }
    }
    if let wish = desired["targetTemperature"], !wish.isNull {
      if let degrees = wish.doubleValue, (5...40).contains(degrees) {
        climate.target = degrees
        report["targetTemperature"] = answer(wish, 200, "applied")
      } else {
        report["targetTemperature"] = answer(
          Self.number(climate.target),
          400,
          "degrees Celsius, 5 to 40"
        )
      }
    }
    return report
  }

  // MARK: Methods

  /// Answers a direct method.
  package func answer(method: String, payload: JSONValue?, now: Timestamp) -> MethodAnswer {
    switch method {
    case "ping":
      return MethodAnswer(
        status: 200,
        payload: ["pong": payload ?? .null, "time": .string(now.iso8601)]
      )
    case "identify": return MethodAnswer(status: 200, payload: ["blinking": true])
    case "getStatus":
      return MethodAnswer(
        status: 200,
        payload: [
          "uptimeSeconds": .int(max(now.seconds - startTime.seconds, 0)),
          "messages": .int(messageCount), "bootCount": .int(bootCount),
          "telemetryInterval": Self.number(telemetryInterval),
        ]
      )
    case "reboot":
      let delay = payload?["delay"]?.doubleValue ?? 1
      guard (0...600).contains(delay) else {
        return MethodAnswer(status: 400, payload: ["message": "delay: seconds, 0 to 600"])
      }
      return MethodAnswer(
        status: 200,
        payload: ["rebootingInSeconds": Self.number(delay)],
        rebootDelay: delay
      )
    default:
      return MethodAnswer(
        status: 404,
        payload: [
          "message": "no method of this name",
          "methods": .array(Self.methods.map { .string($0) }),
        ]
      )
    }
  }

  /// Starts anew.
  package mutating func reboot(now: Timestamp) {
    bootCount += 1
    messageCount = 0
    startTime = now
  }

  private static func number(_ value: Double) -> JSONValue {
    value == value.rounded() && abs(value) < 1e15 ? .int(Int64(value)) : .double(value)
  }
}
