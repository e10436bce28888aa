public import HubContract
public import HubEngine

/// What the service remembers: one consistent view.
///
/// Names are compared and ordered by their UTF-8 bytes.
public protocol ProvisioningStorageReader {
  /// The enrollment called `key`.
  func enrollment(_ key: EnrollmentKey) throws(StorageFault) -> Enrollment?
  /// At most `limit` enrollments of a kind whose name comes after `id` (nil: from the first), in order.
  func enrollments(
    _ kind: EnrollmentKind,
    after id: String?,
    limit: Int
  ) throws(StorageFault) -> [Enrollment]
  /// At most `limit` groups that have this among their `indexKeys`, in order, in time that does not
  /// grow with the number of the others.
  func groups(
    indexedBy key: EnrollmentIndexKey,
    limit: Int
  ) throws(StorageFault) -> [Enrollment]
  /// How many enrollments of a kind there are, in time that does not grow with their number.
  func enrollmentCount(_ kind: EnrollmentKind) throws(StorageFault) -> Int
  /// The state of a registration.
  func registration(_ id: String) throws(StorageFault) -> RegistrationState?
  /// At most `limit` registrations by an enrollment that come after `id`, in order.
  func registrations(
    by enrollment: EnrollmentKey,
    after id: String?,
    limit: Int
  ) throws(StorageFault) -> [RegistrationState]
  /// The operation called `id`.
  func operation(_ id: String) throws(StorageFault) -> OperationRecord?
  /// The operation of a registration that is not finished; there is never more than one.
  func runningOperation(of registrationID: String) throws(StorageFault) -> OperationRecord?
  /// The names of all operations that are not finished.
  func runningOperations() throws(StorageFault) -> [String]
  /// The names of at most `limit` finished operations that began before `time`.
  func finishedOperations(
    before time: Timestamp,
    limit: Int
  ) throws(StorageFault) -> [String]
  /// The last ETag that was given.
  func lastETag() throws(StorageFault) -> UInt64
}

/// What the rules read and write within one transaction.
///
/// A write is seen by the reads that follow it. After a fault the driver undoes the transaction.
/// Deletions of what does not exist do nothing.
public protocol ProvisioningStorage: ProvisioningStorageReader {
  /// Creates or replaces an enrollment.
  mutating func put(_ enrollment: Enrollment) throws(StorageFault)
  /// Deletes an enrollment.
  mutating func deleteEnrollment(_ key: EnrollmentKey) throws(StorageFault)
  /// Creates or replaces the state of a registration.
  mutating func put(_ registration: RegistrationState) throws(StorageFault)
  /// Forgets a registration.
  mutating func deleteRegistration(_ id: String) throws(StorageFault)
  /// Creates or replaces an operation.
  mutating func put(_ operation: OperationRecord) throws(StorageFault)
  /// Forgets an operation.
  mutating func deleteOperation(_ id: String) throws(StorageFault)
  /// Sets the last ETag that was given.
  mutating func setLastETag(_ value: UInt64) throws(StorageFault)
}
