import GRDB
import HubContract
import HubEngine
import JSONTree

extension SQLiteStorage {
  func device(_ deviceID: String) throws(StorageFault) -> DeviceIdentity? {
    guard let row = try row("SELECT * FROM device WHERE id = ?", [deviceID]) else { return nil }
    return try Self.device(row)
  }

  func devices(after deviceID: String?, limit: Int) throws(StorageFault) -> [DeviceIdentity] {
    let found = try rows(
      "SELECT * FROM device WHERE id > ? ORDER BY id LIMIT ?",
      [deviceID ?? "", limit]
    )
    return try map(found, Self.device)
  }

  func deviceRows(after deviceID: String?, limit: Int) throws(StorageFault) -> [DeviceRow] {
    let found = try rows(
      Self.deviceRow + " WHERE d.id > ? ORDER BY d.id LIMIT ?",
      [deviceID ?? "", limit]
    )
    return try map(found, Self.deviceRow)
  }

  func deviceRows(
    inScope scope: String,
    after deviceID: String?,
    limit: Int
  ) throws(StorageFault) -> [DeviceRow] {
    // The second condition tells SQLite that the index of children holds all of these.
    let found = try rows(
      Self.deviceRow
        + " WHERE d.parents = ? AND d.parents <> '[]' AND d.id > ? ORDER BY d.id LIMIT ?",
      [Self.parents([scope]), deviceID ?? "", limit]
    )
    return try map(found, Self.deviceRow)
  }

  func deviceRow(_ deviceID: String) throws(StorageFault) -> DeviceRow? {
    guard let row = try row(Self.deviceRow + " WHERE d.id = ?", [deviceID]) else { return nil }
    return try Self.deviceRow(row)
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
    guard let moduleID = key.moduleID,
      let row = try row(
        "SELECT * FROM module WHERE device = ? AND id = ?",
        [key.deviceID, moduleID]
      )
    else { return nil }
    return try Self.module(row)
  }

  func modules(of deviceID: String) throws(StorageFault) -> [ModuleIdentity] {
    try map(try rows("SELECT * FROM module WHERE device = ? ORDER BY id", [deviceID]), Self.module)
  }

  func moduleRows(after key: IdentityKey?, limit: Int) throws(StorageFault) -> [ModuleRow] {
    let found = try rows(
      Self.moduleRow + " WHERE (m.device, m.id) > (?, ?) ORDER BY m.device, m.id LIMIT ?",
      [key?.deviceID ?? "", key?.moduleColumn ?? "", limit]
    )
    return try map(found, Self.moduleRow)
  }

  func moduleRow(_ key: IdentityKey) throws(StorageFault) -> ModuleRow? {
    guard let moduleID = key.moduleID,
      let row = try row(
        Self.moduleRow + " WHERE m.device = ? AND m.id = ?",
        [key.deviceID, moduleID]
      )
    else { return nil }
    return try Self.moduleRow(row)
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

  /// `transform` over `rows`, keeping the type of what it throws.
  func map<Value>(
    _ rows: [Row],
    _ transform: (Row) throws(StorageFault) -> Value
  ) throws(StorageFault) -> [Value] {
    var values: [Value] = []
    values.reserveCapacity(rows.count)
    for row in rows { values.append(try transform(row)) }
    return values
  }

  private static let twinColumns = """
    t.device AS device, t.module AS module, t.etag AS twin_etag, t.version AS version,
    t.tags AS tags, t.desired AS desired, t.desired_metadata AS desired_metadata,
    t.desired_version AS desired_version, t.reported AS reported,
    t.reported_metadata AS reported_metadata, t.reported_version AS reported_version,
    t.model AS model, c.state_time AS state_time, c.activity_time AS activity_time,
    c.sequence AS connection_sequence
    """

  private static let deviceRow = """
    SELECT d.*, \(twinColumns),
      (SELECT count(*) FROM cloud_to_device q WHERE q.device = d.id) AS queued
    FROM device d JOIN twin t ON t.device = d.id AND t.module = ''
      LEFT JOIN connection c ON c.device = d.id AND c.module = ''
    """

  private static let moduleRow = """
    SELECT m.device AS m_device, m.id AS m_id, m.generation AS m_generation, m.etag AS m_etag,
      m.authentication AS m_authentication, m.first AS m_first, m.second AS m_second,
      m.managed_by AS m_managed_by, d.*, \(twinColumns)
    FROM module m JOIN device d ON d.id = m.device
      JOIN twin t ON t.device = m.device AND t.module = m.id
      LEFT JOIN connection c ON c.device = m.device AND c.module = m.id
    """

  private static func deviceRow(_ row: Row) throws(StorageFault) -> DeviceRow {
    DeviceRow(
      identity: try device(row),
      twin: twin(row, etag: "twin_etag"),
      connection: connection(row),
      cloudToDeviceCount: row["queued"]
    )
  }

  private static func moduleRow(_ row: Row) throws(StorageFault) -> ModuleRow {
    ModuleRow(
      identity: try module(row, prefix: "m_"),
      device: try device(row),
      twin: twin(row, etag: "twin_etag"),
      connection: connection(row)
    )
  }

  private static func connection(_ row: Row) -> ConnectionRecord {
    guard let time: Int64 = row["state_time"] else { return ConnectionRecord() }
    return ConnectionRecord(
      stateUpdatedTime: Timestamp(ticks: time),
      lastActivityTime: row.time("activity_time"),
      sequenceNumber: row.number("connection_sequence")
    )
  }

  private static func device(_ row: Row) throws(StorageFault) -> DeviceIdentity {
    let id: String = row["id"]
    let parents: String = row["parents"]
    guard let authentication = authentication(row, prefix: ""),
      let list = (try? JSON.parse(parents))?.arrayValue
    else { throw .corrupt("device \(id)") }
    return DeviceIdentity(
      deviceID: id,
      generationID: row["generation"],
      etagCounter: row.number("etag"),
      status: row["disabled"] == 1 ? .disabled : .enabled,
      statusReason: row["reason"],
      statusUpdatedTime: row.time("status_time"),
      authentication: authentication,
      isEdge: row["edge"] == 1,
      deviceScope: row["scope"],
      parentScopes: list.compactMap(\.stringValue)
    )
  }

  private static func module(_ row: Row) throws(StorageFault) -> ModuleIdentity {
    try module(row, prefix: "")
  }

  private static func module(_ row: Row, prefix: String) throws(StorageFault) -> ModuleIdentity {
    let device: String = row[prefix + "device"]
    let id: String = row[prefix + "id"]
    guard let authentication = authentication(row, prefix: prefix) else {
      throw .corrupt("module \(device)/\(id)")
    }
    return ModuleIdentity(
      deviceID: device,
      moduleID: id,
      generationID: row[prefix + "generation"],
      etagCounter: row.number(prefix + "etag"),
      authentication: authentication,
      managedBy: row[prefix + "managed_by"]
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

  private static func authentication(_ row: Row, prefix: String) -> Authentication? {
    let kind: String = row[prefix + "authentication"]
    let first: String? = row[prefix + "first"]
    let second: String? = row[prefix + "second"]
    switch Authentication.Kind(rawValue: kind) {
    case .sas:
      guard let primary = first.flatMap(SymmetricKey.init(base64:)),
        let secondary = second.flatMap(SymmetricKey.init(base64:))
      else { return nil }
      return .sas(primary: primary, secondary: secondary)
    case .selfSigned:
      return .selfSigned(
        primary: first.flatMap(Thumbprint.init(hex:)),
        secondary: second.flatMap(Thumbprint.init(hex:))
      )
    case .certificateAuthority: return .certificateAuthority
    case .some(.none): return Authentication.none
    case nil: return nil
    }
  }
}
