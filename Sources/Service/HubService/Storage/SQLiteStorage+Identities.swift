import GRDB
import HubContract
import HubEngine
import JSONTree

extension SQLiteStorage {
  func device(_ deviceID: String) throws(StorageFault) -> DeviceIdentity? {
    try first(Self.selectDevice + " WHERE d.id = ?", [deviceID], Self.device)
  }

  func devices(after deviceID: String?, limit: Int) throws(StorageFault) -> [DeviceIdentity] {
    try all(
      Self.selectDevice + " WHERE d.id > ? ORDER BY d.id LIMIT ?",
      [deviceID ?? "", limit],
      Self.device
    )
  }

  func deviceRows(after deviceID: String?, limit: Int) throws(StorageFault) -> [DeviceRow] {
    try all(
      Self.selectDeviceRow + " WHERE d.id > ? ORDER BY d.id LIMIT ?",
      [deviceID ?? "", limit],
      Self.deviceRow
    )
  }

  func deviceRows(
    inScope scope: String,
    after deviceID: String?,
    limit: Int
  ) throws(StorageFault) -> [DeviceRow] {
    // The second condition tells SQLite that the index of children holds all of these.
    try all(
      Self.selectDeviceRow
        + " WHERE d.parents = ? AND d.parents <> '[]' AND d.id > ? ORDER BY d.id LIMIT ?",
      [Self.parents([scope]), deviceID ?? "", limit],
      Self.deviceRow
    )
  }

  func deviceRow(_ deviceID: String) throws(StorageFault) -> DeviceRow? {
    try first(Self.selectDeviceRow + " WHERE d.id = ?", [deviceID], Self.deviceRow)
  }

  func statistics() throws(StorageFault) -> RegistryStatistics {
    var statistics = RegistryStatistics()
    for row in try rows("SELECT disabled, count FROM statistics", []) {
      if row["disabled"] == 0 {
        statistics.enabledDeviceCount = row["count"]
      } else {
        statistics.disabledDeviceCount = row["count"]
      }
    }
    return statistics
  }

  func module(_ key: IdentityKey) throws(StorageFault) -> ModuleIdentity? {
    guard let moduleID = key.moduleID else { return nil }
    return try first(
      Self.selectModule + " WHERE m.device = ? AND m.id = ?",
      [key.deviceID, moduleID],
      Self.module
    )
  }

  func modules(of deviceID: String) throws(StorageFault) -> [ModuleIdentity] {
    try all(Self.selectModule + " WHERE m.device = ? ORDER BY m.id", [deviceID], Self.module)
  }

  func moduleRows(after key: IdentityKey?, limit: Int) throws(StorageFault) -> [ModuleRow] {
    try all(
      Self.selectModuleRow + " WHERE (m.device, m.id) > (?, ?) ORDER BY m.device, m.id LIMIT ?",
      [key?.deviceID ?? "", key?.moduleColumn ?? "", limit],
      Self.moduleRow
    )
  }

  func moduleRow(_ key: IdentityKey) throws(StorageFault) -> ModuleRow? {
    guard let moduleID = key.moduleID else { return nil }
    return try first(
      Self.selectModuleRow + " WHERE m.device = ? AND m.id = ?",
      [key.deviceID, moduleID],
      Self.moduleRow
    )
  }

  mutating func put(_ device: DeviceIdentity) throws(StorageFault) {
    let (kind, first, second) = Self.columns(device.authentication)
    let parents = Self.parents(device.parentScopes)
    try execute(
      """
      INSERT INTO device VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, etag = excluded.etag,
        disabled = excluded.disabled, reason = excluded.reason, status_time = excluded.status_time,
        authentication = excluded.authentication, first = excluded.first,
        second = excluded.second, edge = excluded.edge, scope = excluded.scope,
        parents = excluded.parents
      """,
      [
        device.deviceID, device.generationID, Int64(bitPattern: device.etagCounter),
        device.status == .disabled ? 1 : 0, device.statusReason, device.statusUpdatedTime.ticks,
        kind, first, second, device.isEdge ? 1 : 0, device.deviceScope, parents,
      ]
    )
  }

  mutating func deleteDevice(_ deviceID: String) throws(StorageFault) {
    try execute("DELETE FROM device WHERE id = ?", [deviceID])
  }

  mutating func put(_ module: ModuleIdentity) throws(StorageFault) {
    let (kind, first, second) = Self.columns(module.authentication)
    try execute(
      "INSERT OR REPLACE INTO module VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      [
        module.deviceID, module.moduleID, module.generationID,
        Int64(bitPattern: module.etagCounter), kind, first, second, module.managedBy,
      ]
    )
  }

  mutating func deleteModule(_ key: IdentityKey) throws(StorageFault) {
    try execute(
      "DELETE FROM module WHERE device = ? AND id = ?",
      [key.deviceID, key.moduleColumn]
    )
  }

  private static func parents(_ scopes: [String]) -> String {
    JSON.text(.array(scopes.map { .string($0) }))
  }

  private static func columns(
    _ authentication: Authentication
  ) -> (kind: String, first: String?, second: String?) {
    let kind = authentication.kind.rawValue
    switch authentication {
    case .sas(let primary, let secondary): return (kind, primary.base64, secondary.base64)
    case .selfSigned(let primary, let secondary): return (kind, primary?.hex, secondary?.hex)
    case .certificateAuthority, .none: return (kind, nil, nil)
    }
  }
}
