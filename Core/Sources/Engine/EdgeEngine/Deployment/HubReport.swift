public import HubContract
public import JSONTree

/// The clients of the local hub, as `$edgeHub` reports them (edge contract section 2.8).
///
/// It begins empty whenever the hub starts. A leaf device that leaves goes from the report; a module
/// stays in it as disconnected.
public struct HubClients: Sendable {
  private struct Client: Sendable {
    var isConnected: Bool
    var lastConnected: Timestamp
    var lastDisconnected: Timestamp?
  }

  private var clients: [IdentityKey: Client] = [:]

  /// Creates an empty list.
  public init() {}

  /// A client has connected.
  public mutating func connected(_ identity: IdentityKey, now: Timestamp) {
    let before = clients[identity]?.lastDisconnected
    clients[identity] = Client(isConnected: true, lastConnected: now, lastDisconnected: before)
  }

  /// A client has left.
  public mutating func disconnected(_ identity: IdentityKey, now: Timestamp) {
    if identity.moduleID == nil {
      clients[identity] = nil
    } else {
      clients[identity]?.isConnected = false
      clients[identity]?.lastDisconnected = now
    }
  }

  /// The reported properties of `$edgeHub`.
  public func report(lastDesired: LastDesired?, version: RuntimeVersion) -> JSONObject {
    var report: JSONObject = ["schemaVersion": "1.0", "version": version.json]
    for (key, value) in lastDesired?.members ?? [:] { report[key] = value }
    var members = JSONObject()
    for (identity, client) in clients.sorted(by: { $0.key < $1.key }) {
      var member: JSONObject = [
        "status": client.isConnected ? "Connected" : "Disconnected",
        "lastConnectedTimeUtc": .string(client.lastConnected.iso8601),
      ]
      // Null in reported properties is what is not there.
      if let time = client.lastDisconnected {
        member["lastDisconnectedTimeUtc"] = .string(time.iso8601)
      }
      members[Self.key(identity.clientID)] = .object(member)
    }
    report["clients"] = .object(members)
    return report
  }

  /// A client ID with the characters that keys of a twin may not have percent-encoded.
  private static func key(_ clientID: String) -> String {
    var key = ""
    for scalar in clientID.unicodeScalars {
      switch scalar {
      case ".": key += "%2E"
      case "$": key += "%24"
      case "#": key += "%23"
      case " ": key += "%20"
      default: key.unicodeScalars.append(scalar)
      }
    }
    return key
  }
}

extension ReportedProperties {
  /// The members of `$edgeHub`'s report.
  public static let hubKeys = [
    "schemaVersion", "version", "lastDesiredVersion", "lastDesiredStatus", "clients",
  ]
}
