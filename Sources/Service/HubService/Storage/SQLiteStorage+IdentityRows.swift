import GRDB
import HubContract
import HubEngine
import JSONTree

/// Identities and twins out of rows.
///
/// Lists and queries read a thousand rows for a page, so columns are taken by their place in the
/// list of the statement and not by name, each part of a row from its first column on.
extension SQLiteStorage {
  private static let deviceColumns = """
    d.id, d.generation, d.etag, d.disabled, d.reason, d.status_time, d.authentication, d.first,
    d.second, d.edge, d.scope, d.parents
    """
  private static let deviceWidth = 12
  private static let moduleColumns = """
    m.device, m.id, m.generation, m.etag, m.authentication, m.first, m.second, m.managed_by
    """
  private static let moduleWidth = 8
  private static let twinColumns = """
    t.device, t.module, t.etag, t.version, t.tags, t.desired, t.desired_metadata,
    t.desired_version, t.reported, t.reported_metadata, t.reported_version, t.model
    """
  private static let twinWidth = 12
  private static let connectionColumns = "c.state_time, c.activity_time, c.sequence"
  private static let connectionWidth = 3

  static let selectDevice = "SELECT \(deviceColumns) FROM device d"
  static let selectModule = "SELECT \(moduleColumns) FROM module m"
  static let selectTwin = "SELECT \(twinColumns) FROM twin t"
  static let selectDeviceRow = """
    SELECT \(deviceColumns), \(twinColumns), \(connectionColumns),
      (SELECT count(*) FROM cloud_to_device q WHERE q.device = d.id), s.document
    FROM device d JOIN twin t ON t.device = d.id AND t.module = ''
      LEFT JOIN connection c ON c.device = d.id AND c.module = ''
      LEFT JOIN configuration_state s ON s.device = d.id AND s.module = ''
    """
  static let selectModuleRow = """
    SELECT \(deviceColumns), \(twinColumns), \(connectionColumns), \(moduleColumns), s.document
    FROM module m JOIN device d ON d.id = m.device
      JOIN twin t ON t.device = m.device AND t.module = m.id
      LEFT JOIN connection c ON c.device = m.device AND c.module = m.id
      LEFT JOIN configuration_state s ON s.device = m.device AND s.module = m.id
    """

  static func deviceRow(_ row: Row) throws(StorageFault) -> DeviceRow {
    DeviceRow(
      identity: try device(row),
      twin: twin(row, from: deviceWidth),
      connection: connection(row, from: deviceWidth + twinWidth),
      cloudToDeviceCount: row[deviceWidth + twinWidth + connectionWidth],
      configurations: try configurations(
        row,
        at: deviceWidth + twinWidth + connectionWidth + 1
      )
    )
  }

  static func moduleRow(_ row: Row) throws(StorageFault) -> ModuleRow {
    ModuleRow(
      identity: try module(row, from: deviceWidth + twinWidth + connectionWidth),
      device: try device(row),
      twin: twin(row, from: deviceWidth),
      connection: connection(row, from: deviceWidth + twinWidth),
      configurations: try configurations(
        row,
        at: deviceWidth + twinWidth + connectionWidth + moduleWidth
      )
    )
  }

  private static func configurations(
    _ row: Row,
    at column: Int
  ) throws(StorageFault) -> ConfigurationState? {
    let document = row.bytes(column)
    guard !document.isEmpty else { return nil }
    guard let state = ConfigurationState(document: document) else {
      throw .corrupt("configuration state of \(row[0] as String)")
    }
    return state
  }

  static func device(_ row: Row) throws(StorageFault) -> DeviceIdentity {
    let id: String = row[0]
    let parents: String = row[11]
    guard let authentication = authentication(row, from: 6),
      let scopes = parents == "[]" ? [] : (try? JSON.parse(parents))?.arrayValue
    else { throw .corrupt("device \(id)") }
    return DeviceIdentity(
      deviceID: id,
      generationID: row[1],
      etagCounter: row.number(2),
      status: row[3] == 1 ? .disabled : .enabled,
      statusReason: row[4],
      statusUpdatedTime: Timestamp(ticks: row[5]),
      authentication: authentication,
      isEdge: row[9] == 1,
      deviceScope: row[10],
      parentScopes: scopes.compactMap(\.stringValue)
    )
  }

  static func module(_ row: Row) throws(StorageFault) -> ModuleIdentity {
    try module(row, from: 0)
  }

  private static func module(
    _ row: Row,
    from first: Int
  ) throws(StorageFault) -> ModuleIdentity {
    let device: String = row[first]
    let id: String = row[first + 1]
    guard let authentication = authentication(row, from: first + 4) else {
      throw .corrupt("module \(device)/\(id)")
    }
    return ModuleIdentity(
      deviceID: device,
      moduleID: id,
      generationID: row[first + 2],
      etagCounter: row.number(first + 3),
      authentication: authentication,
      managedBy: row[first + 7]
    )
  }

  static func twin(_ row: Row) -> TwinRecord { twin(row, from: 0) }

  private static func twin(_ row: Row, from first: Int) -> TwinRecord {
    TwinRecord(
      key: IdentityKey(device: row[first], moduleColumn: row[first + 1]),
      etagCounter: row.number(first + 2),
      version: row.number(first + 3),
      tags: row.bytes(first + 4),
      desired: TwinSection(
        properties: row.bytes(first + 5),
        metadata: row.bytes(first + 6),
        version: row.number(first + 7)
      ),
      reported: TwinSection(
        properties: row.bytes(first + 8),
        metadata: row.bytes(first + 9),
        version: row.number(first + 10)
      ),
      modelID: row[first + 11]
    )
  }

  private static func connection(_ row: Row, from first: Int) -> ConnectionRecord {
    guard let time: Int64 = row[first] else { return ConnectionRecord() }
    return ConnectionRecord(
      stateUpdatedTime: Timestamp(ticks: time),
      lastActivityTime: Timestamp(ticks: row[first + 1]),
      sequenceNumber: row.number(first + 2)
    )
  }

  private static func authentication(_ row: Row, from column: Int) -> Authentication? {
    let kind: String = row[column]
    let first: String? = row[column + 1]
    let second: String? = row[column + 2]
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
