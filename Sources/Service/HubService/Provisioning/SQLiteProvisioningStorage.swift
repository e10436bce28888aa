import GRDB
import HubContract
import HubEngine
import JSONTree
import ProvisioningEngine

/// What the provisioning service remembers, in a SQLite database of its own, within one transaction.
///
/// Each row is the stored form of one value, beside the columns that it is found by.
struct SQLiteProvisioningStorage: ProvisioningStorage {
  private let sql: SQLiteStorage
  private let running: RunningOperations?

  /// Opens the storage of a transaction; `running` is the writer's, nil for readers.
  init(database: Database, running: RunningOperations? = nil) {
    sql = SQLiteStorage(database: database)
    self.running = running
  }

  static func migrator() -> DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 provisioning") { database in
      try database.execute(
        sql: """
          CREATE TABLE enrollment (
            kind TEXT NOT NULL, id TEXT NOT NULL, document BLOB NOT NULL, PRIMARY KEY (kind, id)
          ) WITHOUT ROWID, STRICT;
          CREATE TABLE enrollment_count (kind TEXT NOT NULL PRIMARY KEY, count INTEGER NOT NULL)
            WITHOUT ROWID, STRICT;
          INSERT INTO enrollment_count VALUES ('individual', 0), ('group', 0);
          CREATE TRIGGER enrollment_inserted AFTER INSERT ON enrollment BEGIN
            UPDATE enrollment_count SET count = count + 1 WHERE kind = NEW.kind;
          END;
          CREATE TRIGGER enrollment_deleted AFTER DELETE ON enrollment BEGIN
            UPDATE enrollment_count SET count = count - 1 WHERE kind = OLD.kind;
          END;
          CREATE TABLE registration (
            id TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, enrollment TEXT NOT NULL,
            document BLOB NOT NULL
          ) WITHOUT ROWID, STRICT;
          CREATE INDEX registration_enrollment ON registration (kind, enrollment, id);
          CREATE TABLE operation (
            id TEXT NOT NULL PRIMARY KEY, registration TEXT NOT NULL, created INTEGER NOT NULL,
            finished INTEGER NOT NULL, document BLOB NOT NULL
          ) WITHOUT ROWID, STRICT;
          CREATE UNIQUE INDEX operation_running ON operation (registration) WHERE finished = 0;
          CREATE INDEX operation_finished ON operation (created) WHERE finished = 1;
          CREATE TABLE value (name TEXT NOT NULL PRIMARY KEY, value) WITHOUT ROWID;
          """
      )
    }
    migrator.registerMigration("2 group index") { database in
      try database.execute(
        sql: """
          CREATE TABLE group_index (
            key TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (key, id)
          ) WITHOUT ROWID, STRICT;
          CREATE INDEX group_index_id ON group_index (id);
          """
      )
      let storage = SQLiteProvisioningStorage(database: database)
      var last: String?
      while let group = try storage.enrollments(.group, after: last, limit: 1).first {
        try storage.index(group)
        last = group.key.id
      }
    }
    return migrator
  }

  func enrollment(_ key: EnrollmentKey) throws(StorageFault) -> Enrollment? {
    try sql.first(
      "SELECT id, document FROM enrollment WHERE kind = ? AND id = ?",
      [key.kind.rawValue, key.id]
    ) { row throws(StorageFault) in try Self.enrollment(row, key.kind) }
  }

  func enrollments(
    _ kind: EnrollmentKind,
    after id: String?,
    limit: Int
  ) throws(StorageFault) -> [Enrollment] {
    try sql.all(
      "SELECT id, document FROM enrollment WHERE kind = ? AND id > ? ORDER BY id LIMIT ?",
      [kind.rawValue, id ?? "", limit]
    ) { row throws(StorageFault) in try Self.enrollment(row, kind) }
  }

  func groups(
    indexedBy key: EnrollmentIndexKey,
    limit: Int
  ) throws(StorageFault) -> [Enrollment] {
    try sql.all(
      """
      SELECT id, document FROM group_index JOIN enrollment USING (id)
      WHERE key = ? AND kind = 'group' ORDER BY id LIMIT ?
      """,
      [key.text, limit]
    ) { row throws(StorageFault) in try Self.enrollment(row, .group) }
  }

  func enrollmentCount(_ kind: EnrollmentKind) throws(StorageFault) -> Int {
    try sql.row("SELECT count FROM enrollment_count WHERE kind = ?", [kind.rawValue])?["count"]
      ?? 0
  }

  func registration(_ id: String) throws(StorageFault) -> RegistrationState? {
    if let known = running?.registration(id) { return known }
    return try sql.first("SELECT document FROM registration WHERE id = ?", [id]) {
      row throws(StorageFault) in try Self.registration(row)
    }
  }

  func registrations(
    by enrollment: EnrollmentKey,
    after id: String?,
    limit: Int
  ) throws(StorageFault) -> [RegistrationState] {
    try sql.all(
      """
      SELECT document FROM registration WHERE kind = ? AND enrollment = ? AND id > ?
      ORDER BY id LIMIT ?
      """,
      [enrollment.kind.rawValue, enrollment.id, id ?? "", limit]
    ) { row throws(StorageFault) in try Self.registration(row) }
  }

  func operation(_ id: String) throws(StorageFault) -> OperationRecord? {
    if let known = running?.operation(id) { return known }
    return try sql.first("SELECT id, registration, document FROM operation WHERE id = ?", [id]) {
      row throws(StorageFault) in try Self.operation(row)
    }
  }

  func runningOperation(of registrationID: String) throws(StorageFault) -> OperationRecord? {
    try sql.first(
      "SELECT id, registration, document FROM operation WHERE registration = ? AND finished = 0",
      [registrationID]
    ) { row throws(StorageFault) in
      if let known = running?.operation(row["id"]) { return known }
      return try Self.operation(row)
    }
  }

  func runningOperations() throws(StorageFault) -> [String] {
    try sql.all("SELECT id FROM operation WHERE finished = 0 ORDER BY id", []) {
      row throws(StorageFault) in row["id"]
    }
  }

  func finishedOperations(
    before time: Timestamp,
    limit: Int
  ) throws(StorageFault) -> [String] {
    try sql.all(
      "SELECT id FROM operation WHERE finished = 1 AND created < ? LIMIT ?",
      [time.ticks, limit]
    ) { row throws(StorageFault) in row["id"] }
  }

  func lastETag() throws(StorageFault) -> UInt64 {
    try sql.row("SELECT value FROM value WHERE name = 'etag'", [])?.number("value") ?? 0
  }

  /// The ID scope, nil before one was made.
  func scope() throws(StorageFault) -> String? {
    try sql.row("SELECT value FROM value WHERE name = 'scope'", [])?["value"]
  }

  mutating func put(_ enrollment: Enrollment) throws(StorageFault) {
    try sql.execute(
      """
      INSERT INTO enrollment VALUES (?, ?, ?)
      ON CONFLICT (kind, id) DO UPDATE SET document = excluded.document
      """,
      [
        enrollment.key.kind.rawValue, enrollment.key.id,
        sql.blob(JSON.bytes(enrollment.json(.stored))),
      ]
    )
    running?.hasEnrollmentChanged = true
    if enrollment.key.kind == .group { try index(enrollment) }
  }

  private func index(_ group: Enrollment) throws(StorageFault) {
    try sql.execute("DELETE FROM group_index WHERE id = ?", [group.key.id])
    for key in group.indexKeys {
      try sql.execute("INSERT INTO group_index VALUES (?, ?)", [key.text, group.key.id])
    }
  }

  mutating func deleteEnrollment(_ key: EnrollmentKey) throws(StorageFault) {
    try sql.execute(
      "DELETE FROM enrollment WHERE kind = ? AND id = ?",
      [key.kind.rawValue, key.id]
    )
    running?.hasEnrollmentChanged = true
    guard key.kind == .group else { return }
    try sql.execute("DELETE FROM group_index WHERE id = ?", [key.id])
  }

  mutating func put(_ registration: RegistrationState) throws(StorageFault) {
    try sql.execute(
      "INSERT OR REPLACE INTO registration VALUES (?, ?, ?, ?)",
      [
        registration.registrationID, registration.enrollment.kind.rawValue,
        registration.enrollment.id, sql.blob(JSON.bytes(registration.stored)),
      ]
    )
    running?.stored(registration)
  }

  mutating func deleteRegistration(_ id: String) throws(StorageFault) {
    try sql.execute("DELETE FROM registration WHERE id = ?", [id])
    running?.deleted(registration: id)
  }

  mutating func put(_ operation: OperationRecord) throws(StorageFault) {
    try sql.execute(
      """
      INSERT INTO operation VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET finished = excluded.finished, document = excluded.document
      """,
      [
        operation.id, operation.registrationID, operation.createdTime.ticks,
        operation.isFinished ? 1 : 0, sql.blob(JSON.bytes(operation.stored)),
      ]
    )
    running?.stored(operation)
  }

  mutating func deleteOperation(_ id: String) throws(StorageFault) {
    try sql.execute("DELETE FROM operation WHERE id = ?", [id])
    running?.deleted(operation: id)
  }

  mutating func setLastETag(_ value: UInt64) throws(StorageFault) {
    try sql.execute(
      "INSERT OR REPLACE INTO value VALUES ('etag', ?)",
      [Int64(bitPattern: value)]
    )
  }

  /// Keeps the ID scope.
  mutating func setScope(_ scope: String) throws(StorageFault) {
    try sql.execute("INSERT OR REPLACE INTO value VALUES ('scope', ?)", [scope])
  }

  private static func document(_ row: Row, _ what: String) throws(StorageFault) -> JSONValue {
    do throws(JSONFault) {
      return try JSON.parse(row.bytes("document"), limits: .stored)
    } catch {
      throw .corrupt(what)
    }
  }

  private static func enrollment(
    _ row: Row,
    _ kind: EnrollmentKind
  ) throws(StorageFault) -> Enrollment {
    let id: String = row["id"]
    guard let key = EnrollmentKey(kind, id),
      let enrollment = try? Enrollment(stored: try document(row, "enrollment \(id)"), key: key)
    else { throw .corrupt("enrollment \(id)") }
    return enrollment
  }

  private static func registration(_ row: Row) throws(StorageFault) -> RegistrationState {
    guard let state = RegistrationState(stored: try document(row, "registration")) else {
      throw .corrupt("registration")
    }
    return state
  }

  private static func operation(_ row: Row) throws(StorageFault) -> OperationRecord {
    guard
      let operation = OperationRecord(
        stored: try document(row, "operation"),
        id: row["id"],
        registrationID: row["registration"]
      )
    else { throw .corrupt("operation") }
    return operation
  }
}
