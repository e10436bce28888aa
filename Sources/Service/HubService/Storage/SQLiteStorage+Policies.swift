import GRDB
import HubContract
import HubEngine

extension SQLiteStorage {
  func policies() throws(StorageFault) -> [PolicyRecord] {
    try map(try rows("SELECT * FROM policy ORDER BY name", []), Self.policy)
  }

  func policy(_ name: String) throws(StorageFault) -> PolicyRecord? {
    guard let row = try row("SELECT * FROM policy WHERE name = ?", [name]) else { return nil }
    return try Self.policy(row)
  }

  func certificateAuthorities() throws(StorageFault) -> [CertificateAuthorityRecord] {
    try map(try rows("SELECT * FROM authority ORDER BY name", []), Self.authority)
  }

  func certificateAuthority(_ name: String) throws(StorageFault) -> CertificateAuthorityRecord? {
    guard let row = try row("SELECT * FROM authority WHERE name = ?", [name]) else { return nil }
    return try Self.authority(row)
  }

  func counter(_ counter: HubCounter) throws(StorageFault) -> UInt64 {
    try row("SELECT value FROM counter WHERE name = ?", [counter.rawValue])?.number("value") ?? 0
  }

  mutating func put(_ policy: PolicyRecord) throws(StorageFault) {
    try execute(
      "INSERT OR REPLACE INTO policy VALUES (?, ?, ?, ?)",
      [
        policy.name, Int64(policy.rights.rawValue), policy.primaryKey.base64,
        policy.secondaryKey.base64,
      ]
    )
  }

  mutating func deletePolicy(_ name: String) throws(StorageFault) {
    try execute("DELETE FROM policy WHERE name = ?", [name])
  }

  mutating func put(_ authority: CertificateAuthorityRecord) throws(StorageFault) {
    try execute(
      "INSERT OR REPLACE INTO authority VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      [
        authority.name, authority.subject, authority.thumbprint.hex, blob(authority.certificate),
        authority.expiryTime.ticks, authority.createdTime.ticks, authority.updatedTime.ticks,
        authority.isVerified ? 1 : 0, authority.verificationCode,
        Int64(bitPattern: authority.etagCounter),
      ]
    )
  }

  mutating func deleteCertificateAuthority(_ name: String) throws(StorageFault) {
    try execute("DELETE FROM authority WHERE name = ?", [name])
  }

  mutating func setCounter(_ counter: HubCounter, to value: UInt64) throws(StorageFault) {
    try execute(
      "INSERT OR REPLACE INTO counter VALUES (?, ?)",
      [counter.rawValue, Int64(bitPattern: value)]
    )
  }

  private static func policy(_ row: Row) throws(StorageFault) -> PolicyRecord {
    let name: String = row["name"]
    let rights: Int64 = row["rights"]
    guard let rights = UInt8(exactly: rights), let first = SymmetricKey(base64: row["first"]),
      let second = SymmetricKey(base64: row["second"])
    else { throw .corrupt("policy \(name)") }
    return PolicyRecord(
      name: name,
      rights: AccessRights(rawValue: rights),
      primaryKey: first,
      secondaryKey: second
    )
  }

  private static func authority(_ row: Row) throws(StorageFault) -> CertificateAuthorityRecord {
    let name: String = row["name"]
    guard let thumbprint = Thumbprint(hex: row["thumbprint"]) else {
      throw .corrupt("certificate authority \(name)")
    }
    return CertificateAuthorityRecord(
      name: name,
      subject: row["subject"],
      thumbprint: thumbprint,
      certificate: row.bytes("certificate"),
      expiryTime: row.time("expiry"),
      createdTime: row.time("created"),
      updatedTime: row.time("updated"),
      isVerified: row["verified"] == 1,
      verificationCode: row["code"],
      etagCounter: row.number("etag")
    )
  }
}
