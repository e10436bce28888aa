public import HubContract
internal import JSONTree

/// An identity that was at the new hub before its device was assigned there.
///
/// Where the assignment fails, the hub gets it back; an identity of another generation is the
/// assignment's own.
public struct PriorIdentity: Equatable, Sendable {
  /// Distinct for every creation of the same ID.
  public var generationID: String
  /// Whether it might connect.
  public var status: IdentityStatus
  /// Why it was disabled.
  public var statusReason: String?
  /// How it proved who it is.
  public var authentication: Authentication
  /// Whether it was an edge device.
  public var isEdge: Bool

  /// Creates a prior identity.
  public init(
    generationID: String,
    status: IdentityStatus,
    statusReason: String?,
    authentication: Authentication,
    isEdge: Bool
  ) {
    self.generationID = generationID
    self.status = status
    self.statusReason = statusReason
    self.authentication = authentication
    self.isEdge = isEdge
  }

  /// The prior identity as what it is at a hub.
  public init(_ device: DeviceIdentity) {
    self.init(
      generationID: device.generationID,
      status: device.status,
      statusReason: device.statusReason,
      authentication: device.authentication,
      isEdge: device.isEdge
    )
  }

  var stored: JSONValue {
    var object: JSONObject = [
      "generation": .string(generationID), "status": .string(status.rawValue),
      "edge": .bool(isEdge),
    ]
    object["reason"] = statusReason.map { .string($0) }
    authentication.store(in: &object)
    return .object(object)
  }

  init?(stored: JSONValue) {
    guard let generation = stored["generation"]?.stringValue,
      let status = stored["status"]?.stringValue.flatMap({ IdentityStatus(rawValue: $0) }),
      let isEdge = stored["edge"]?.boolValue,
      let authentication = Authentication(storedIn: stored)
    else { return nil }
    self.init(
      generationID: generation,
      status: status,
      statusReason: stored["reason"]?.stringValue,
      authentication: authentication,
      isEdge: isEdge
    )
  }
}
