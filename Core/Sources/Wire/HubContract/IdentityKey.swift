/// What names one identity of the hub: a device, or a module of a device.
///
/// A device and its modules are separate identities with their own connection, twin and credentials
/// (contract §3.2). IDs are case-sensitive and literal, never percent-encoded.
public struct IdentityKey: Hashable, Sendable, CustomStringConvertible {
  /// The device's ID.
  public let deviceID: String
  /// The module's ID, nil for the device itself.
  public let moduleID: String?

  /// Creates the key of a device, or of a module; the IDs are not checked.
  public init(deviceID: String, moduleID: String? = nil) {
    self.deviceID = deviceID
    self.moduleID = moduleID
  }

  /// Whether both IDs follow the rules of contract §1.3.
  public var isValid: Bool {
    DeviceID.isValid(deviceID) && (moduleID.map(ModuleID.isValid) ?? true)
  }

  /// The device that this module belongs to, or the device itself.
  public var device: IdentityKey { moduleID == nil ? self : IdentityKey(deviceID: deviceID) }

  /// The MQTT client ID of this identity: `<device>` or `<device>/<module>` (contract §3.1).
  public var clientID: String { moduleID.map { "\(deviceID)/\($0)" } ?? deviceID }

  /// The client ID, as logs show it.
  public var description: String { clientID }

  /// The identity whose MQTT client ID is `clientID`, or nil if that is not one or two valid IDs.
  public init?(clientID: String) {
    let parts = clientID.utf8.split(
      separator: UInt8(ascii: "/"),
      maxSplits: 1,
      omittingEmptySubsequences: false
    )
    guard let device = parts.first.flatMap({ String($0) }) else { return nil }
    self.init(deviceID: device, moduleID: parts.count > 1 ? String(parts[1]) : nil)
    guard isValid else { return nil }
  }
}

extension IdentityKey: Comparable {
  /// Orders by device ID, then the device before its modules, then by module ID; ordinally.
  public static func < (first: IdentityKey, second: IdentityKey) -> Bool {
    if first.deviceID != second.deviceID {
      return first.deviceID.utf8.lexicographicallyPrecedes(second.deviceID.utf8)
    }
    switch (first.moduleID, second.moduleID) {
    case (nil, nil), (_, nil): return false
    case (nil, _): return true
    case (let left?, let right?): return left.utf8.lexicographicallyPrecedes(right.utf8)
    }
  }
}
