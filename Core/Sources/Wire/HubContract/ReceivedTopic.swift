internal import ByteIO

/// What a topic that a device receives on means (contract §3.5 to §3.7).
public enum ReceivedTopic: Equatable, Sendable {
  /// A direct method; answer under the request ID.
  case method(name: String, requestID: String)
  /// The answer to a request about the twin.
  case twinResponse(status: Int, requestID: String, version: Int64?)
  /// Desired properties changed, to this version.
  case desired(version: Int64?)
  /// A cloud-to-device message with these properties.
  case cloudToDevice([MessageProperty])
  /// Nothing that a device knows.
  case unknown

  /// Reads `topic`, which came to the device `deviceID`.
  public init(_ topic: [UInt8], deviceID: String) {
    let devicebound = Array("devices/\(deviceID)/messages/devicebound/".utf8)
    if topic.starts(with: devicebound) {
      let bag = Array(topic.dropFirst(devicebound.count))
      self = .cloudToDevice(PropertyBag(bag.span).properties())
      return
    }
    let text = String(decoding: topic, as: UTF8.self)
    let parts = text.split(separator: "?", maxSplits: 1).map(String.init)
    let path = (parts.first ?? "").split(separator: "/").map(String.init)
    var parameters: [String: String] = [:]
    for pair in (parts.count > 1 ? parts[1] : "").split(separator: "&") {
      let sides = pair.split(separator: "=", maxSplits: 1).map(String.init)
      if sides.count == 2 { parameters[sides[0]] = sides[1] }
    }
    let requestID = parameters["$rid"]
    let version = parameters["$version"].flatMap { Int64($0) }
    self = .unknown
    switch (path.count, path.prefix(3).joined(separator: "/")) {
    case (4, "$iothub/methods/POST"):
      guard let requestID, let name = PercentCoding.decode(path[3]) else { return }
      self = .method(name: name, requestID: requestID)
    case (4, "$iothub/twin/res"):
      guard let requestID, let status = Int(path[3]) else { return }
      self = .twinResponse(status: status, requestID: requestID, version: version)
    case (5, "$iothub/twin/PATCH"): self = .desired(version: version)
    default: break
    }
  }
}

/// The topics that a device itself uses.
public enum DeviceSideTopics {
  /// What it subscribes to.
  public static func filters(_ deviceID: String) -> [[UInt8]] {
    [
      "devices/\(deviceID)/messages/devicebound/#", "$iothub/twin/res/#",
      "$iothub/twin/PATCH/properties/desired/#", "$iothub/methods/POST/#",
    ].map { Array($0.utf8) }
  }

  /// Where its telemetry goes.
  public static func telemetry(_ deviceID: String, bag: [UInt8]) -> [UInt8] {
    Array("devices/\(deviceID)/messages/events/".utf8) + bag
  }

  /// Asks for the twin.
  public static func twinGet(requestID: String) -> [UInt8] {
    Array("$iothub/twin/GET/?$rid=\(requestID)".utf8)
  }

  /// Reports properties.
  public static func reportedPatch(requestID: String) -> [UInt8] {
    Array("$iothub/twin/PATCH/properties/reported/?$rid=\(requestID)".utf8)
  }

  /// Answers a method.
  public static func methodResponse(status: Int, requestID: String) -> [UInt8] {
    Array("$iothub/methods/res/\(status)/?$rid=\(requestID)".utf8)
  }
}
