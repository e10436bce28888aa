public import HubContract
internal import JSONTree

/// An identity at the hub that its device leaves.
public struct DetachedIdentity: Equatable, Sendable {
  /// Its twin.
  public var twin: InitialTwin
  /// `disabled` only where an operator did that: the device stays disabled at its new hub.
  public var status: IdentityStatus
  /// The operator's words.
  public var statusReason: String?

  /// Creates a detached identity.
  public init(twin: InitialTwin, status: IdentityStatus = .enabled, statusReason: String? = nil) {
    self.twin = twin
    self.status = status
    self.statusReason = statusReason
  }

  var stored: JSONValue {
    var object: JSONObject = ["twin": twin.json, "status": .string(status.rawValue)]
    object["reason"] = statusReason.map { .string($0) }
    return .object(object)
  }

  init?(stored: JSONValue) {
    guard let twin = stored["twin"].flatMap({ try? InitialTwin(json: $0) }),
      let status = stored["status"]?.stringValue.flatMap({ IdentityStatus(rawValue: $0) })
    else { return nil }
    self.init(twin: twin, status: status, statusReason: stored["reason"]?.stringValue)
  }
}
