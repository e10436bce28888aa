internal import ByteIO
public import HubContract
internal import JSONTree

extension HubView {
  /// The twin of a device or module, as the service side sees it (contract §7.5).
  ///
  /// - Parameters:
  ///   - key: the device or module.
  ///   - facts: what the driver knows of its connection.
  /// - Returns: the JSON text and the twin's ETag, without quotes.
  /// - Throws: 404001 without the device or module.
  public func twin(
    _ key: IdentityKey,
    facts: ConnectionFacts
  ) throws(HubError) -> (body: [UInt8], etag: String) {
    if key.moduleID == nil {
      let row = try stored { storage throws(StorageFault) in try storage.deviceRow(key.deviceID) }
      guard let row else { throw .noTwin(key) }
      return (row.twinText(facts), ETags.twin(row.twin.etagCounter))
    }
    guard let row = try stored({ storage throws(StorageFault) in try storage.moduleRow(key) })
    else { throw .noTwin(key) }
    return (row.twinText(facts), ETags.twin(row.twin.etagCounter))
  }

  /// The twin as the device or module itself gets it: without metadata and tags (contract §3.6).
  ///
  /// - Throws: 404001.
  public func twinForClient(_ key: IdentityKey) throws(HubError) -> [UInt8] {
    guard let twin = try stored({ storage throws(StorageFault) in try storage.twin(key) }) else {
      throw .noTwin(key)
    }
    return TwinText.forClient(twin)
  }
}

extension DeviceRow {
  /// The twin as the service side sees it (contract §7.5), compact JSON.
  public func twinText(_ facts: ConnectionFacts) -> [UInt8] {
    ServiceTwin(
      twin: twin,
      identityETag: identity.etagCounter,
      device: identity,
      authentication: identity.authentication,
      activity: activity(facts),
      configurations: configurations
    ).text
  }
}

extension ModuleRow {
  /// The twin as the service side sees it (contract §7.5), compact JSON.
  public func twinText(_ facts: ConnectionFacts) -> [UInt8] {
    ServiceTwin(
      twin: twin,
      identityETag: identity.etagCounter,
      device: device,
      authentication: identity.authentication,
      activity: activity(facts),
      configurations: configurations
    ).text
  }
}

/// A twin joined with what is shown of its identity.
private struct ServiceTwin {
  var twin: TwinRecord
  var identityETag: UInt64
  var device: DeviceIdentity
  var authentication: Authentication
  var activity: IdentityActivity
  var configurations: ConfigurationState?

  var text: [UInt8] {
    var out = ByteWriter(capacity: 1024)
    TwinText.identity(twin.key, to: &out)
    if let modelID = twin.modelID { member("modelId", string: modelID, to: &out) }
    member("etag", string: ETags.twin(twin.etagCounter), to: &out)
    member("deviceEtag", string: ETags.identity(identityETag), to: &out)
    member("status", string: device.status.rawValue, to: &out)
    if let reason = device.statusReason { member("statusReason", string: reason, to: &out) }
    member("statusUpdateTime", string: device.statusUpdatedTime.iso8601, to: &out)
    member(
      "connectionState",
      string: activity.isConnected ? "Connected" : "Disconnected",
      to: &out
    )
    member("lastActivityTime", string: activity.lastActivityTime.iso8601, to: &out)
    out.utf8(",\"cloudToDeviceMessageCount\":\(activity.cloudToDeviceMessageCount)")
    member("authenticationType", string: authentication.kind.rawValue, to: &out)
    thumbprints(to: &out)
    out.utf8(",\"capabilities\":{\"iotEdge\":\(device.isEdge && twin.key.moduleID == nil)}")
    if twin.key.moduleID == nil {
      if let scope = device.deviceScope { member("deviceScope", string: scope, to: &out) }
      if !device.parentScopes.isEmpty {
        out.utf8(#","parentScopes":"#)
        JSON.write(.array(device.parentScopes.map { .string($0) }), to: &out)
      }
    }
    if let configurations = configurations?.text {
      out.utf8(#","configurations":"#)
      out.append(configurations)
    }
    out.utf8(",\"version\":\(twin.version),\"tags\":")
    out.append(twin.tags)
    out.utf8(#","properties":"#)
    TwinText.properties(twin, to: &out)
    out.utf8("}")
    return out.bytes
  }

  private func thumbprints(to out: inout ByteWriter) {
    var primary: JSONValue = .null
    var secondary: JSONValue = .null
    if case .selfSigned(let first, let second) = authentication {
      primary = first.map { .string($0.hex) } ?? .null
      secondary = second.map { .string($0.hex) } ?? .null
    }
    out.utf8(#","x509Thumbprint":"#)
    let both: JSONObject = ["primaryThumbprint": primary, "secondaryThumbprint": secondary]
    JSON.write(both, to: &out)
  }

  private func member(_ name: String, string: String, to out: inout ByteWriter) {
    out.utf8(",\"\(name)\":")
    JSON.write(.string(string), to: &out)
  }
}
