public import JSONTree

/// Which of the four shapes of error bodies an operation answers with (contract §7.2).
public enum HubErrorShape: Sendable, CaseIterable {
  /// `Message` and `ExceptionMessage`: devices, twins, configurations, queries, jobs.
  case registry
  /// `errorCode` and `message`: module identities, and device-side answers.
  case module
  /// The module shape as a string inside the registry shape: direct methods.
  case method
  /// The module shape with `info`: the provisioning service (contract §6.8).
  case provisioning
}

extension HubError {
  /// The body that tells this refusal to a client.
  ///
  /// - Parameters:
  ///   - shape: which operations answer how, see `HubErrorShape`.
  ///   - trackingID: hexadecimal text by which the log finds this answer.
  ///   - time: when it happened.
  /// - Returns: the body's JSON value.
  public func body(_ shape: HubErrorShape, trackingID: String, time: Timestamp) -> JSONValue {
    switch shape {
    case .registry:
      return [
        "Message": .string("ErrorCode:\(code.name);\(message)"),
        "ExceptionMessage": .string("Tracking ID:\(trackingID)-G:0-TimeStamp:\(time.iso8601)"),
      ]
    case .module:
      return [
        "errorCode": .int(Int64(code.rawValue)), "message": .string(message),
        "trackingId": .string(trackingID), "timestampUtc": .string(time.iso8601),
      ]
    case .provisioning:
      return [
        "errorCode": .int(Int64(code.rawValue)), "trackingId": .string(trackingID),
        "message": .string(message), "info": [:], "timestampUtc": .string(time.iso8601),
      ]
    case .method:
      let inner: JSONValue = [
        "errorCode": .int(Int64(code.rawValue)), "trackingId": .string(trackingID),
        "message": .string(message), "info": [:], "timestampUtc": .string(time.iso8601),
      ]
      return ["Message": .string(JSON.text(inner)), "ExceptionMessage": ""]
    }
  }
}
