import Foundation
import GRDB
import HubContract
import HubEngine
import JSONTree

/// What the hub remembers, in one SQLite database (see `Schema`), within one transaction.
///
/// A value of this type lives no longer than the closure of `HubStore` that was given it, on the
/// thread that runs the closure.
struct SQLiteStorage: HubStorage {
  let database: Database

  /// Runs `body`, turning what SQLite throws into what the rules know.
  func attempt<Value>(_ body: (Database) throws -> Value) throws(StorageFault) -> Value {
    do {
      return try body(database)
    } catch let fault as StorageFault {
      throw fault
    } catch {
      throw StorageFault(sqlite: error)
    }
  }

  func rows(_ sql: String, _ arguments: StatementArguments) throws(StorageFault) -> [Row] {
    try attempt { try Row.fetchAll($0.cachedStatement(sql: sql), arguments: arguments) }
  }

  func row(_ sql: String, _ arguments: StatementArguments) throws(StorageFault) -> Row? {
    try attempt { try Row.fetchOne($0.cachedStatement(sql: sql), arguments: arguments) }
  }

  /// What `decode` makes of each row, which lives no longer than the call.
  func all<Value>(
    _ sql: String,
    _ arguments: StatementArguments,
    _ decode: (Row) throws(StorageFault) -> Value
  ) throws(StorageFault) -> [Value] {
    try attempt {
      let rows = try Row.fetchCursor($0.cachedStatement(sql: sql), arguments: arguments)
      var values: [Value] = []
      while let row = try rows.next() { values.append(try decode(row)) }
      return values
    }
  }

  /// What `decode` makes of the first row, nil if there is none.
  func first<Value>(
    _ sql: String,
    _ arguments: StatementArguments,
    _ decode: (Row) throws(StorageFault) -> Value
  ) throws(StorageFault) -> Value? {
    try attempt {
      let rows = try Row.fetchCursor($0.cachedStatement(sql: sql), arguments: arguments)
      return try rows.next().map { row throws in try decode(row) }
    }
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

  func execute(_ sql: String, _ arguments: StatementArguments) throws(StorageFault) {
    try attempt { database throws in
      try database.cachedStatement(sql: sql).execute(arguments: arguments)
    }
  }
}

extension StorageFault {
  /// The fault that an error of SQLite stands for.
  init(sqlite error: any Error) {
    guard let error = error as? DatabaseError else {
      self.init(.failed, "\(error)")
      return
    }
    let detail = "SQLite \(error.extendedResultCode.rawValue): \(error.message ?? "no message")"
    switch error.resultCode {
    case _ where error.meansFull: self.init(.full, detail)
    case .SQLITE_CORRUPT, .SQLITE_NOTADB: self.init(.corrupt, detail)
    default: self.init(.failed, detail)
    }
  }

  /// The fault of a row that breaks our own rules.
  static func corrupt(_ what: String) -> StorageFault {
    StorageFault(.corrupt, "the stored \(what) cannot be read")
  }
}

extension DatabaseError {
  /// Whether the file system has no room: for the database, its log, or the index of that, which
  /// SQLite tells as an input-output error.
  var meansFull: Bool {
    resultCode == .SQLITE_FULL || extendedResultCode == .SQLITE_IOERR_SHMSIZE
  }
}

extension IdentityKey {
  /// The module's ID as a column that is never null: empty for a device.
  var moduleColumn: String { moduleID ?? "" }

  init(device: String, moduleColumn: String) {
    self.init(deviceID: device, moduleID: moduleColumn.isEmpty ? nil : moduleColumn)
  }
}

extension Row {
  func time(_ column: String) -> Timestamp { Timestamp(ticks: self[column]) }

  func number(_ column: String) -> UInt64 { UInt64(bitPattern: self[column] as Int64) }

  func number(_ column: Int) -> UInt64 { UInt64(bitPattern: self[column] as Int64) }

  /// A blob, copied once; empty if there is none.
  func bytes(_ column: Int) -> [UInt8] {
    let bytes = try? withUnsafeData(atIndex: column) { data in data.map { [UInt8]($0) } ?? [] }
    return bytes ?? []
  }

  func bytes(_ column: String) -> [UInt8] {
    let data: Data? = self[column]
    return data.map { [UInt8]($0) } ?? []
  }
}
