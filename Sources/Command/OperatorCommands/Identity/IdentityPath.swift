import HubContract
import JSONTree

/// Where an identity is in the REST interface, and what it is called in messages.
struct IdentityPath: Sendable {
  /// Which identity.
  let identity: IdentityKey

  init(_ deviceID: String, _ moduleID: String? = nil) {
    identity = IdentityKey(deviceID: deviceID, moduleID: moduleID)
  }

  /// Path of the identity itself.
  var registry: [String] {
    ["devices", identity.deviceID] + (identity.moduleID.map { ["modules", $0] } ?? [])
  }

  /// Path of its twin.
  var twin: [String] {
    ["twins", identity.deviceID] + (identity.moduleID.map { ["modules", $0] } ?? [])
  }

  /// Path for calling its methods.
  var methods: [String] { twin + ["methods"] }

  /// What messages call it.
  var subject: String {
    guard let module = identity.moduleID else { return "device '\(identity.deviceID)'" }
    return "module '\(module)' of device '\(identity.deviceID)'"
  }
}

/// What the commands read off the hub's identity objects (contract §7.3).
extension JSONValue {
  /// One of the identity's keys, nil if it has none.
  func key(_ slot: KeySlot) -> SymmetricKey? {
    let name = slot == .primary ? "primaryKey" : "secondaryKey"
    return self[path: ["authentication", "symmetricKey", name]]?.stringValue
      .flatMap { SymmetricKey(base64: $0) }
  }

  /// How it proves who it is, in the command line's words.
  var authenticationName: String {
    let type =
      self[path: ["authentication", "type"]]?.stringValue ?? self["authenticationType"]?.stringValue
    return AuthenticationKind.allCases.first { $0.wireName == type }?.rawValue ?? type ?? "-"
  }
}
