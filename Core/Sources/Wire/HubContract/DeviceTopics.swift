internal import ByteIO

/// What a topic that a device publishes to means (contract §3.3).
///
/// Ranges are of the topic's bytes.
public enum DeviceTopic: Equatable, Sendable {
  /// Telemetry; `bag` is everything after the fixed part.
  case telemetry(bag: Range<Int>)
  /// The device wants its twin.
  case twinGet(requestID: Range<Int>)
  /// The device patches its reported properties, on condition of `version` if one is given.
  case twinPatch(requestID: Range<Int>, version: Int64?)
  /// The answer to a direct method; the status is nil if it is no integer.
  case methodResponse(status: Int?, requestID: Range<Int>)
  /// Telemetry of another identity, or an unknown topic under `devices/`: close the connection.
  case foreign
  /// No topic of the hub: close the connection.
  case unknown
  /// A topic of the hub without a request ID, with a version that is no number, or with a wildcard
  /// or a NUL where properties stand: close the connection.
  case malformed
}

/// What a topic filter that a device subscribes to means (contract §3.3).
public enum DeviceFilter: Equatable, Sendable {
  /// Cloud-to-device messages.
  case devicebound
  /// Answers to twin requests.
  case twinResponses
  /// Changes of desired properties.
  case desiredPatches
  /// Direct methods, all of them or the one whose encoded name is that range of the filter.
  case methods(name: Range<Int>?)
  /// A module's inputs.
  case moduleInputs
  /// Everything under a module's name.
  case moduleAll
  /// Anything else: return code 0x80.
  case refused
}

/// The topics of one authenticated identity, ready for comparison.
///
/// IDs stand in topics as they are, so `#`, `+` and `?` are ordinary bytes of them: topics are compared
/// with prefixes built from the identity, never matched as wildcards (contract §1.3). Whoever
/// decodes the PUBLISH packet must therefore not refuse wildcards by itself; `classify` does, in the
/// part after the prefix. Nothing here allocates.
public struct DeviceTopics: Sendable {
  /// Whose topics these are.
  public let identity: IdentityKey
  private let events: [UInt8]
  private let base: [UInt8]

  /// Prepares the topics of `identity`.
  public init(_ identity: IdentityKey) {
    self.identity = identity
    var base = "devices/\(identity.deviceID)/"
    if let module = identity.moduleID { base += "modules/\(module)/" }
    self.base = [UInt8](base.utf8)
    events = [UInt8]((base + "messages/events/").utf8)
  }

  /// What the topics of messages to a module's inputs begin with (edge contract section 5.3).
  public var inputStem: [UInt8] { base + [UInt8]("inputs/".utf8) }

  /// What publishing to `topic` means.
  public func classify(_ topic: Span<UInt8>) -> DeviceTopic {
    if topic.hasPrefix(events.span) {
      // MQTT forbids wildcards and NUL in a topic name [MQTT-3.3.2-2]; the identity's part may hold
      // them and was compared.
      return topic.hasWildcardOrNUL(from: events.count)
        ? .malformed : .telemetry(bag: events.count..<topic.count)
    }
    if topic.starts(with: "devices/") { return .foreign }
    guard topic.starts(with: "$iothub/") else { return .unknown }
    if topic.starts(with: "$iothub/twin/GET/?") {
      return Self.parameters(topic, from: 18).map { .twinGet(requestID: $0.requestID) }
        ?? .malformed
    }
    if topic.starts(with: "$iothub/twin/PATCH/properties/reported/?") {
      return Self.parameters(topic, from: 40)
        .map { .twinPatch(requestID: $0.requestID, version: $0.version) } ?? .malformed
    }
    guard topic.starts(with: "$iothub/methods/res/") else { return .unknown }
    var slash = 20
    while slash < topic.count, topic[slash] != UInt8(ascii: "/") { slash += 1 }
    guard topic.count - slash >= 2, topic[slash + 1] == UInt8(ascii: "?"),
      let parameters = Self.parameters(topic, from: slash + 2)
    else { return .malformed }
    let status = Self.integer(topic, 20..<slash).flatMap { Int(exactly: $0) }
    return .methodResponse(status: status, requestID: parameters.requestID)
  }

  /// What subscribing to `filter` means.
  public func classify(filter: Span<UInt8>) -> DeviceFilter {
    if filter.hasPrefix(base.span) {
      let rest = filter.extracting(base.count...)
      if identity.moduleID == nil {
        return rest.equals("messages/devicebound/#") ? .devicebound : .refused
      }
      if rest.equals("inputs/#") { return .moduleInputs }
      return rest.equals("#") ? .moduleAll : .refused
    }
    if filter.starts(with: "$iothub/methods/POST/") {
      guard filter.count > 21 else { return .refused }
      if filter.count == 22, filter[21] == UInt8(ascii: "#") { return .methods(name: nil) }
      let end = filter.count - 2
      guard end > 21, filter[end] == UInt8(ascii: "/"), filter[end + 1] == UInt8(ascii: "#") else {
        return .refused
      }
      for index in 21..<end {
        switch filter[index] {
        case UInt8(ascii: "/"), UInt8(ascii: "+"), UInt8(ascii: "#"), 0: return .refused
        default: break
        }
      }
      return .methods(name: 21..<end)
    }
    if Self.isTail(filter, of: "$iothub/twin/res") { return .twinResponses }
    if Self.isTail(filter, of: "$iothub/twin/PATCH/properties/desired") { return .desiredPatches }
    return .refused
  }

  // The stem alone, with a slash, or with "/#": old clients leave the wildcard out.
  private static func isTail(_ filter: Span<UInt8>, of stem: StaticString) -> Bool {
    guard filter.starts(with: stem) else { return false }
    let rest = filter.extracting(stem.utf8CodeUnitCount...)
    return rest.isEmpty || rest.equals("/") || rest.equals("/#")
  }

  private static func parameters(
    _ topic: Span<UInt8>,
    from start: Int
  ) -> (requestID: Range<Int>, version: Int64?)? {
    guard !topic.hasWildcardOrNUL(from: start) else { return nil }
    var requestID: Range<Int>?
    var version: Int64?
    var position = start
    while position < topic.count {
      var end = position
      while end < topic.count, topic[end] != UInt8(ascii: "&") { end += 1 }
      let pair = topic.extracting(position..<end)
      // Some clients escape the dollar sign.
      let sign = pair.starts(with: "$") ? 1 : pair.starts(with: "%24") ? 3 : 0
      let name = pair.extracting(sign...)
      if sign > 0, name.starts(with: "rid=") {
        guard requestID == nil else { return nil }
        requestID = position + sign + 4..<end
      } else if sign > 0, name.starts(with: "version=") {
        guard version == nil, let value = integer(topic, position + sign + 8..<end) else {
          return nil
        }
        version = value
      }
      position = end + 1
    }
    return requestID.map { ($0, version) }
  }

  private static func integer(_ text: Span<UInt8>, _ range: Range<Int>) -> Int64? {
    let isNegative = !range.isEmpty && text[range.lowerBound] == UInt8(ascii: "-")
    let digits = isNegative ? range.lowerBound + 1..<range.upperBound : range
    guard (1...18).contains(digits.count) else { return nil }
    var value: Int64 = 0
    for index in digits {
      let byte = text[index]
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
      value = value * 10 + Int64(byte - UInt8(ascii: "0"))
    }
    return isNegative ? -value : value
  }
}
