internal import ByteIO

extension DeviceTopics {
  /// The topic of a cloud-to-device message with the property bag `bag` (contract §3.5).
  public static func devicebound(deviceID: String, bag: [UInt8]) -> [UInt8] {
    [UInt8]("devices/\(deviceID)/messages/devicebound/".utf8) + bag
  }

  /// The topic of the answer to a twin request (contract §3.6).
  ///
  /// `requestID` is echoed as it came; `version` is the reported section's new one after a patch.
  public static func twinResponse(
    status: Int,
    requestID: Span<UInt8>,
    version: Int64? = nil
  ) -> [UInt8] {
    var topic = ByteWriter(capacity: 64)
    topic.utf8("$iothub/twin/res/\(status)/?$rid=")
    topic.append(requestID)
    if let version { topic.utf8("&$version=\(version)") }
    return topic.bytes
  }

  /// The topic of a change of desired properties to `version` (contract §3.6).
  public static func desiredPatch(version: Int64) -> [UInt8] {
    [UInt8]("$iothub/twin/PATCH/properties/desired/?$version=\(version)".utf8)
  }

  /// The topic of a direct method's request (contract §3.7).
  ///
  /// The request ID must be of unreserved characters.
  public static func methodRequest(name: String, requestID: String) -> [UInt8] {
    [UInt8]("$iothub/methods/POST/\(PercentCoding.encode(name))/?$rid=\(requestID)".utf8)
  }
}
