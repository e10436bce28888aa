public import HubContract
public import HubEngine
public import ProvisioningEngine

/// A provisioning service's storage in memory whose power can be cut.
///
/// `begin`, any number of reads and writes, then `commit` or `rollback`. What is not committed when
/// the power is cut is gone. Everything goes through its stored form, so that a part that is not
/// stored shows.
public struct SimProvisioningStorage: ProvisioningStorage {
  struct Tables {
    var enrollments: [EnrollmentKey: Enrollment] = [:]
    var registrations: [String: RegistrationState] = [:]
    var operations: [String: OperationRecord] = [:]
    var etag: UInt64 = 0
  }

  private var durable = Tables()
  private var tables = Tables()
  /// Accesses until one fails; nil: none fails.
  public var accessesUntilFault: Int?

  /// Creates an empty storage.
  public init() {}

  /// Starts a transaction with what is durable.
  public mutating func begin() { tables = durable }

  /// Makes the transaction durable.
  public mutating func commit() { durable = tables }

  /// Undoes the transaction; a power cut does the same.
  public mutating func rollback() {
    tables = durable
    accessesUntilFault = nil
  }

  /// The enrollment called `key`.
  public func enrollment(_ key: EnrollmentKey) throws(StorageFault) -> Enrollment? {
    tables.enrollments[key]
  }

  /// Enrollments in the order of their names.
  public func enrollments(
    _ kind: EnrollmentKind,
    after id: String?,
    limit: Int
  ) throws(StorageFault) -> [Enrollment] {
    let all = tables.enrollments.values.filter { $0.key.kind == kind && $0.key.id > id ?? "" }
    return Array(all.sorted { $0.key.id < $1.key.id }.prefix(limit))
  }

  /// Groups in the order of their names.
  public func groups(
    indexedBy key: EnrollmentIndexKey,
    limit: Int
  ) throws(StorageFault) -> [Enrollment] {
    let all = tables.enrollments.values.filter { $0.indexKeys.contains(key) }
    return Array(all.sorted { $0.key.id < $1.key.id }.prefix(limit))
  }

  /// How many enrollments there are.
  public func enrollmentCount(_ kind: EnrollmentKind) throws(StorageFault) -> Int {
    tables.enrollments.keys.count { $0.kind == kind }
  }

  /// The state of a registration.
  public func registration(_ id: String) throws(StorageFault) -> RegistrationState? {
    tables.registrations[id]
  }

  /// Registrations in the order of their names.
  public func registrations(
    by enrollment: EnrollmentKey,
    after id: String?,
    limit: Int
  ) throws(StorageFault) -> [RegistrationState] {
    let all = tables.registrations.values.filter {
      $0.enrollment == enrollment && $0.registrationID > id ?? ""
    }
    return Array(all.sorted { $0.registrationID < $1.registrationID }.prefix(limit))
  }

  /// The operation called `id`.
  public func operation(_ id: String) throws(StorageFault) -> OperationRecord? {
    tables.operations[id]
  }

  /// The running operation of a registration.
  public func runningOperation(
    of registrationID: String
  ) throws(StorageFault) -> OperationRecord? {
    tables.operations.values.first { $0.registrationID == registrationID && !$0.isFinished }
  }

  /// The running operations, in the order of their names.
  public func runningOperations() throws(StorageFault) -> [String] {
    tables.operations.values.filter { !$0.isFinished }.map(\.id).sorted()
  }

  /// Finished operations, in the order of their names.
  public func finishedOperations(
    before time: Timestamp,
    limit: Int
  ) throws(StorageFault) -> [String] {
    let all = tables.operations.values.filter { $0.isFinished && $0.createdTime < time }
    return Array(all.map(\.id).sorted().prefix(limit))
  }

  /// The last ETag.
  public func lastETag() throws(StorageFault) -> UInt64 { tables.etag }

  /// Creates or replaces an enrollment.
  public mutating func put(_ enrollment: Enrollment) throws(StorageFault) {
    let again = try? Enrollment(stored: enrollment.json(.stored), key: enrollment.key)
    try write { $0.enrollments[enrollment.key] = again }
  }

  /// Deletes an enrollment.
  public mutating func deleteEnrollment(_ key: EnrollmentKey) throws(StorageFault) {
    try write { $0.enrollments[key] = nil }
  }

  /// Creates or replaces a registration.
  public mutating func put(_ registration: RegistrationState) throws(StorageFault) {
    let again = RegistrationState(stored: registration.stored)
    try write { $0.registrations[registration.registrationID] = again }
  }

  /// Forgets a registration.
  public mutating func deleteRegistration(_ id: String) throws(StorageFault) {
    try write { $0.registrations[id] = nil }
  }

  /// Creates or replaces an operation.
  public mutating func put(_ operation: OperationRecord) throws(StorageFault) {
    let again = OperationRecord(
      stored: operation.stored,
      id: operation.id,
      registrationID: operation.registrationID
    )
    try write { $0.operations[operation.id] = again }
  }

  /// Forgets an operation.
  public mutating func deleteOperation(_ id: String) throws(StorageFault) {
    try write { $0.operations[id] = nil }
  }

  /// Sets the last ETag.
  public mutating func setLastETag(_ value: UInt64) throws(StorageFault) {
    try write { $0.etag = value }
  }

  private mutating func write(_ change: (inout Tables) -> Void) throws(StorageFault) {
    if let left = accessesUntilFault {
      guard left > 0 else { throw StorageFault(.failed, "simulated: the disk failed") }
      accessesUntilFault = left - 1
    }
    change(&tables)
  }
}
