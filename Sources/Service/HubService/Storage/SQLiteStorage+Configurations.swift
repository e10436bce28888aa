import GRDB
import HubContract
import HubEngine

extension SQLiteStorage: FleetStorage {
  func configurations() throws(StorageFault) -> [HubContract.Configuration] {
    try all("SELECT document FROM configuration ORDER BY id", [], Self.configuration)
  }

  func configuration(_ id: String) throws(StorageFault) -> HubContract.Configuration? {
    try first(
      "SELECT document FROM configuration WHERE id = ?",
      [id],
      Self.configuration
    )
  }

  func configurationState(
    of key: IdentityKey
  ) throws(StorageFault) -> ConfigurationState? {
    try first(
      "SELECT document FROM configuration_state WHERE device = ? AND module = ?",
      [key.deviceID, key.moduleColumn]
    ) { row throws(StorageFault) in
      guard let state = ConfigurationState(document: row.bytes(0)) else {
        throw .corrupt("configuration state of \(key)")
      }
      return state
    }
  }

  func twinKeys(
    configuredBy id: String,
    after key: IdentityKey?,
    limit: Int
  ) throws(StorageFault) -> [IdentityKey] {
    try all(
      """
      SELECT device, module FROM configuration_target
      WHERE configuration = ? AND (device, module) > (?, ?) ORDER BY device, module LIMIT ?
      """,
      [id, key?.deviceID ?? "", key?.moduleColumn ?? "", limit]
    ) { row in IdentityKey(device: row[0], moduleColumn: row[1]) }
  }

  func configurationSweep() throws(StorageFault) -> ConfigurationSweep? {
    try first("SELECT after FROM configuration_sweep", []) { row in
      ConfigurationSweep(after: row[0])
    }
  }

  mutating func put(_ configuration: HubContract.Configuration) throws(StorageFault) {
    try execute(
      "INSERT OR REPLACE INTO configuration VALUES (?, ?)",
      [configuration.id, blob(configuration.document)]
    )
  }

  mutating func deleteConfiguration(_ id: String) throws(StorageFault) {
    try execute("DELETE FROM configuration WHERE id = ?", [id])
  }

  mutating func setConfigurationState(
    _ state: ConfigurationState?,
    of key: IdentityKey
  ) throws(StorageFault) {
    let old = Set(try configurationState(of: key)?.configurationIDs ?? [])
    let new = Set(state?.configurationIDs ?? [])
    for id in old.subtracting(new) {
      try execute(
        "DELETE FROM configuration_target WHERE configuration = ? AND device = ? AND module = ?",
        [id, key.deviceID, key.moduleColumn]
      )
    }
    for id in new.subtracting(old) {
      try execute(
        "INSERT OR IGNORE INTO configuration_target VALUES (?, ?, ?)",
        [id, key.deviceID, key.moduleColumn]
      )
    }
    guard let state else {
      return try execute(
        "DELETE FROM configuration_state WHERE device = ? AND module = ?",
        [key.deviceID, key.moduleColumn]
      )
    }
    try execute(
      "INSERT OR REPLACE INTO configuration_state VALUES (?, ?, ?)",
      [key.deviceID, key.moduleColumn, blob(state.document)]
    )
  }

  mutating func setConfigurationSweep(
    _ sweep: ConfigurationSweep?
  ) throws(StorageFault) {
    try execute("DELETE FROM configuration_sweep", [])
    guard let sweep else { return }
    try execute("INSERT INTO configuration_sweep VALUES (1, ?)", [sweep.after])
  }

  private static func configuration(_ row: Row) throws(StorageFault) -> HubContract.Configuration {
    guard let configuration = HubContract.Configuration(document: row.bytes(0)) else {
      throw .corrupt("configuration")
    }
    return configuration
  }
}

extension ConfigurationState {
  fileprivate var configurationIDs: [String] { entries.map(\.configurationID) }
}
