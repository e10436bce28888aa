import ByteIO
import EdgeEngine
import HubContract
import JSONTree
package import Simulation

/// Messages as they are described to a rehearsal.
package enum TrafficLine {
  /// The longest body; what a hub takes of a device.
  package static let bodyLimit = 256 << 10
  /// The most messages a second of one generator.
  private static let rateLimit = 100_000.0

  /// Reads `[LABEL:] RATE [SIZE] from SENDER [with NAME=VALUE …] [body JSON]`.
  ///
  /// RATE is `10/s`, `6/m`, `1/h` or `2/d`. SENDER is a leaf device's ID, or `module NAME` with
  /// `/OUTPUT` behind it or without. `body` takes the rest of the text, as JSON; blanks fill it up to
  /// SIZE.
  package static func generator(
    _ text: String,
    edge: String
  ) throws(RehearsalFault) -> RehearsedTraffic.Generator {
    var rest = text[...]
    var bodyText: String?
    if let range = rest.firstRange(of: " body ") {
      bodyText = rest[range.upperBound...].trimmed
      rest = rest[..<range.lowerBound]
    }
    var words = rest.split(whereSeparator: \.isWhitespace).map(String.init)[...]
    if let label = words.first, label.hasSuffix(":") { words.removeFirst() }
    guard let rate = words.popFirst() else {
      throw RehearsalFault("it is empty; write such as '10/s 1KiB from leaf-1'")
    }
    let interval = try interval(rate)
    var size: Int?
    if let word = words.first, word.lowercased() != "from" {
      words.removeFirst()
      guard let bytes = ByteSize(argument: word), bytes.byteCount <= UInt64(bodyLimit) else {
        throw RehearsalFault("'\(word)' is no size up to 256KiB; write such as 200B or 1KiB")
      }
      size = Int(bytes.byteCount)
    }
    guard words.popFirst()?.lowercased() == "from", let name = words.popFirst() else {
      throw RehearsalFault("it does not say from whom; write such as '\(rate) from leaf-1'")
    }
    let isModule = name.lowercased() == "module" && !words.isEmpty
    let sender = isModule ? words.removeFirst() : name
    var properties: [MessageProperty] = []
    if let word = words.popFirst() {
      guard word.lowercased() == "with", !words.isEmpty else {
        throw RehearsalFault(
          "'\(word)' has no meaning behind the sender; with NAME=VALUE may follow"
        )
      }
      for pair in words {
        guard let value = NamedValue(argument: pair) else {
          throw RehearsalFault("'\(pair)' must be a property as NAME=VALUE")
        }
        properties.append(MessageProperty(value.name, value.value))
      }
    }
    let (identity, source) = try Self.sender(sender, isModule: isModule, edge: edge)
    var system: [(SystemProperty, String?)] = []
    var body: [UInt8]
    if let bodyText {
      guard (try? JSON.parse(bodyText)) != nil else {
        throw RehearsalFault("what stands behind 'body' is no JSON: \(bodyText)")
      }
      body = Array(bodyText.utf8)
      system = [(.contentType, "application/json"), (.contentEncoding, "utf-8")]
    } else {
      body = []
    }
    let missing = (size ?? (bodyText == nil ? 100 : 0)) - body.count
    if missing > 0 { body += [UInt8](repeating: UInt8(ascii: " "), count: missing) }
    let message = try message(identity, source, system, properties, body)
    return RehearsedTraffic.Generator(message, intervalMicroseconds: interval)
  }

  private static func interval(_ rate: String) throws(RehearsalFault) -> UInt64 {
    let units: [Substring: Double] = ["s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400]
    let parts = rate.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let count = Double(parts[0]), let unit = units[parts[1]],
      count > 0, count / unit <= rateLimit, unit / count <= 366 * 86_400
    else {
      throw RehearsalFault(
        "'\(rate)' is no rate like 10/s, 6/m, 1/h or 2/d, at most 100000/s and at least one a year"
      )
    }
    return UInt64((unit / count * 1_000_000).rounded())
  }

  private static func sender(
    _ name: String,
    isModule: Bool,
    edge: String
  ) throws(RehearsalFault) -> (IdentityKey, MessageSource) {
    guard isModule else {
      let identity = IdentityKey(deviceID: name)
      guard identity.isValid else { throw RehearsalFault("'\(name)' is no device ID") }
      return (identity, .device)
    }
    let parts = name.split(separator: "/", maxSplits: 1).map(String.init)
    let identity = IdentityKey(deviceID: edge, moduleID: parts.first ?? "")
    guard identity.isValid, let module = parts.first else {
      throw RehearsalFault("'\(name)' is no module, or module/output")
    }
    return (identity, parts.count == 2 ? .output(parts[1], module: module) : .module(module))
  }

  private static func message(
    _ sender: IdentityKey,
    _ source: MessageSource,
    _ system: [(SystemProperty, String?)],
    _ properties: [MessageProperty],
    _ body: [UInt8]
  ) throws(RehearsalFault) -> RehearsedTraffic.Message {
    guard body.count <= bodyLimit else {
      throw RehearsalFault("the body has \(body.count) bytes; 262144 is the most")
    }
    var bag = PropertyBagWriter()
    for (property, value) in system { bag.append(property, value) }
    if case .output(let output, _) = source { bag.append(.outputName, output) }
    for property in properties { bag.append(property) }
    return RehearsedTraffic.Message(sender: sender, source: source, bag: bag.bytes, body: body)
  }

  // MARK: - Recordings

  /// Reads one recorded message: a line of `orrery monitor events -o json`, or an object with `at`,
  /// `from`, `module`, `output`, `properties`, `body` and `size`.
  ///
  /// - Returns: its time in milliseconds since 1970, or since the start where `at` is a number of
  ///   seconds; nil for an event that is no telemetry.
  package static func recorded(
    _ line: String,
    edge: String
  ) throws(RehearsalFault) -> (milliseconds: Int64, message: RehearsedTraffic.Message)? {
    let value: JSONValue
    do throws(JSONFault) {
      value = try JSON.parse(line, limits: JSONLimits(maxBytes: 1 << 20))
    } catch {
      throw RehearsalFault("it is no JSON object: \(error)")
    }
    guard value.objectValue != nil else { throw RehearsalFault("it is no JSON object") }
    return try value["enqueuedTime"] == nil ? described(value, edge) : event(value, edge)
  }

  private static func event(
    _ value: JSONValue,
    _ edge: String
  ) throws(RehearsalFault) -> (milliseconds: Int64, message: RehearsedTraffic.Message)? {
    let notes = value["annotations"]
    if let source = notes?["iothub-message-source"]?.stringValue, source != "Telemetry" {
      return nil
    }
    guard let device = notes?["iothub-connection-device-id"]?.stringValue else {
      throw RehearsalFault("annotations.iothub-connection-device-id is missing")
    }
    let module = notes?["iothub-connection-module-id"]?.stringValue
    let properties = value["properties"]
    let output = module == nil ? nil : notes?["iothub-outputname"]?.stringValue
    var body: [UInt8] = []
    switch value["bodyEncoding"]?.stringValue {
    case "json": body = value["body"].map { JSON.bytes($0) } ?? []
    case "base64": body = try base64(value["body"]?.stringValue ?? "")
    default: body = Array((value["body"]?.stringValue ?? "").utf8)
    }
    return (
      try time(value["enqueuedTime"], "enqueuedTime"),
      try message(
        IdentityKey(deviceID: module == nil ? device : edge, moduleID: module),
        module.map { module in output.map { .output($0, module: module) } ?? .module(module) }
          ?? .device,
        [
          (.contentType, properties?["content-type"]?.stringValue),
          (.contentEncoding, properties?["content-encoding"]?.stringValue),
        ],
        texts(value["applicationProperties"]),
        body
      )
    )
  }

  private static func described(
    _ value: JSONValue,
    _ edge: String
  ) throws(RehearsalFault) -> (milliseconds: Int64, message: RehearsedTraffic.Message) {
    let module = value["module"]?.stringValue
    guard let name = module ?? value["from"]?.stringValue else {
      throw RehearsalFault("it has neither from, a device's ID, nor module")
    }
    let output = value["output"]?.stringValue
    let whole = module != nil ? output.map { "\(name)/\($0)" } ?? name : name
    let (identity, source) = try sender(whole, isModule: module != nil, edge: edge)
    var system: [(SystemProperty, String?)] = []
    var body: [UInt8] = []
    if let text = value["bodyText"]?.stringValue {
      body = Array(text.utf8)
    } else if let text = value["bodyBase64"]?.stringValue {
      body = try base64(text)
    } else if let json = value["body"] {
      body = JSON.bytes(json)
      system = [(.contentType, "application/json"), (.contentEncoding, "utf-8")]
    }
    if let type = value["contentType"]?.stringValue {
      system = [
        (.contentType, type), (.contentEncoding, value["contentEncoding"]?.stringValue ?? "utf-8"),
      ]
    }
    if let size = value["size"]?.int64Value {
      guard (0...Int64(bodyLimit)).contains(size) else {
        throw RehearsalFault("size must be 0 to 262144")
      }
      body += [UInt8](repeating: UInt8(ascii: " "), count: max(0, Int(size) - body.count))
    }
    let message = try message(identity, source, system, texts(value["properties"]), body)
    return (try time(value["at"], "at"), message)
  }

  private static func time(_ value: JSONValue?, _ name: String) throws(RehearsalFault) -> Int64 {
    if let text = value?.stringValue, let time = Timestamp(iso8601: text) {
      return time.milliseconds
    }
    if let seconds = value?.doubleValue, seconds >= 0, seconds < 1e9 {
      return Int64((seconds * 1000).rounded())
    }
    throw RehearsalFault(
      "\(name) must be seconds since the start, or a time like 2026-01-31T12:00:00Z"
    )
  }

  private static func base64(_ text: String) throws(RehearsalFault) -> [UInt8] {
    guard let bytes = Base64.decode(text) else { throw RehearsalFault("the body is no base64") }
    return bytes
  }

  private static func texts(_ value: JSONValue?) -> [MessageProperty] {
    (value?.objectValue ?? [:]).map { name, value in
      MessageProperty(name, value.isNull ? nil : value.stringValue ?? JSON.text(value))
    }
  }
}
