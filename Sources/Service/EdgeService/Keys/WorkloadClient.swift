package import Endpoints
package import HubContract
package import JSONTree

/// What a role learns of itself over its workload socket.
package struct WorkloadIdentity: Equatable, Sendable {
  package let edge: EdgeIdentity
  /// The name that clients of the local hub use.
  package let hostName: String
  package let moduleID: String
  /// `WorkloadAPI.noGeneration` where the hub has not told it yet.
  package let generationID: String
  /// The time as far as it is known, seconds since 1970.
  package let seconds: Int64

  /// Whether the module has its key at the hub, so that it can sign.
  package var isSettled: Bool { generationID != WorkloadAPI.noGeneration }

  /// The module's identity at the hub.
  package var key: IdentityKey { IdentityKey(deviceID: edge.deviceID, moduleID: moduleID) }
}

/// What a role asks besides: who it is, and certificates (contract §4.4).
extension WorkloadClient {
  /// Who this module is.
  ///
  /// - Throws: `LocalClient.Failure`, with status 503 while the device is not known.
  package func identity() async throws(LocalClient.Failure) -> WorkloadIdentity {
    let answer = try await call("GET", ["identity"])
    guard let hub = answer["hubHostName"]?.stringValue,
      let deviceID = answer["deviceId"]?.stringValue,
      let hostName = answer["hostName"]?.stringValue,
      let moduleID = answer["moduleId"]?.stringValue,
      let generationID = answer["generationId"]?.stringValue,
      let time = answer["time"]?.stringValue.flatMap({ Timestamp(iso8601: $0) })
    else { throw Self.malformed }
    return WorkloadIdentity(
      edge: EdgeIdentity(
        hubHostName: hub,
        deviceID: deviceID,
        parentHostName: answer["parentHostName"]?.stringValue
      ),
      hostName: hostName,
      moduleID: moduleID,
      generationID: generationID,
      seconds: time.seconds
    )
  }

  /// A server certificate; that of the local hub has all names and addresses of this machine too.
  package func serverCertificate(
    commonName: String,
    generationID: String
  ) async throws(LocalClient.Failure) -> EdgeAuthority.Credential {
    let path = ["modules", moduleID, "genid", generationID, "certificate", "server"]
    // The wish for an end is part of the call, and not followed.
    let body: JSONValue = [
      "commonName": .string(commonName), "expiration": "9999-12-31T00:00:00Z",
    ]
    return try Self.credential(try await call("POST", path, body: body))
  }

  /// A client certificate of the module.
  package func identityCertificate() async throws(LocalClient.Failure) -> EdgeAuthority.Credential {
    let path = ["modules", moduleID, "certificate", "identity"]
    let body: JSONValue = ["expiration": "9999-12-31T00:00:00Z"]
    return try Self.credential(try await call("POST", path, body: body))
  }

  private static func credential(
    _ answer: JSONValue
  ) throws(LocalClient.Failure) -> EdgeAuthority.Credential {
    guard let chain = answer["certificate"]?.stringValue,
      let key = answer["privateKey"]?["bytes"]?.stringValue,
      let end = answer["expiration"]?.stringValue.flatMap({ Timestamp(iso8601: $0) })
    else { throw malformed }
    return EdgeAuthority.Credential(
      chainPEM: chain,
      privateKeyPEM: key,
      expirySeconds: end.seconds
    )
  }
}

/// Asks the identity part of the management API; for the agent.
package struct IdentityClient: Sendable {
  private let client: LocalClient

  /// A client of the keys process; `close` it.
  package init(_ paths: EdgePaths) { client = LocalClient(.unix(path: paths.identitySocket)) }

  package func close() async { await client.close() }

  /// All modules of the device.
  package func list() async throws(LocalClient.Failure) -> [ModuleIdentityRecord] {
    let answer = try await client.call("GET", ["identities"])
    return (answer["identities"]?.arrayValue ?? []).compactMap(ModuleIdentityRecord.init)
  }

  /// Makes a module or finds it, with its keys at the hub and its socket.
  package func put(
    _ moduleID: String,
    managedBy: String?
  ) async throws(LocalClient.Failure) -> ModuleIdentityRecord {
    var body: JSONObject = ["moduleId": .string(moduleID)]
    body["managedBy"] = managedBy.map { .string($0) }
    let answer = try await client.call("PUT", ["identities", moduleID], body: .object(body))
    guard let record = ModuleIdentityRecord(json: answer) else {
      throw LocalClient.Failure(status: nil, "the answer is no module")
    }
    return record
  }

  /// Removes a module.
  package func delete(_ moduleID: String) async throws(LocalClient.Failure) {
    _ = try await client.call("DELETE", ["identities", moduleID])
  }

  /// Asks the provisioning service again who this device is.
  package func reprovision() async throws(LocalClient.Failure) {
    _ = try await client.call("POST", ["device", "reprovision"])
  }

  /// Passes a call on as it is: for a management API that has the identity calls too.
  package func forward(
    _ method: String,
    _ path: [String],
    body: JSONValue?
  ) async throws(LocalClient.Failure) -> JSONValue {
    try await client.call(method, path, body: body)
  }
}
