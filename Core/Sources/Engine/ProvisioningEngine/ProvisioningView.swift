internal import ByteIO
public import HubContract
public import HubEngine

/// The service's reads over one consistent view of its storage.
public struct ProvisioningView<Storage: ProvisioningStorageReader>: StorageView {
  /// Where everything is kept.
  public let storage: Storage
  /// How the service is set up.
  public let rules: ProvisioningRules

  /// Creates a view.
  public init(storage: Storage, rules: ProvisioningRules) {
    self.storage = storage
    self.rules = rules
  }

  /// One page of a query, and where the next one begins.
  public struct Page<Row: Sendable>: Sendable {
    /// The rows.
    public var rows: [Row]
    /// Names the page that follows; nil: there is none.
    public var continuation: String?
  }

  /// The enrollment called `key`.
  ///
  /// - Throws: 404201 or 404204.
  public func enrollment(_ key: EnrollmentKey) throws(HubError) -> Enrollment {
    let found = try stored { storage throws(StorageFault) in try storage.enrollment(key) }
    guard let found else { throw .noEnrollment(key) }
    return found
  }

  /// A page of all enrollments of a kind.
  ///
  /// - Throws: 400004 for another query than that of everything, or a continuation that is none.
  public func enrollments(
    _ kind: EnrollmentKind,
    query: String,
    pageSize: Int,
    continuation: String?
  ) throws(HubError) -> Page<Enrollment> {
    let table = kind == .individual ? "enrollments" : "enrollmentgroups"
    let words = query.utf8.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }
      .map { String(decoding: $0.map { $0 | 0x20 }, as: UTF8.self) }
    guard words == ["select", "*", "from", table] else {
      throw HubError(
        .argumentInvalid,
        "The query must be SELECT * FROM \(kind == .individual ? "enrollments" : "enrollmentGroups")."
      )
    }
    let after = try Self.start(continuation)
    let size = min(max(pageSize, 1), rules.pageLimit)
    let rows = try stored { storage throws(StorageFault) in
      try storage.enrollments(kind, after: after, limit: size + 1)
    }
    return Self.page(rows, size) { $0.key.id }
  }

  /// A page of the registrations of a group.
  ///
  /// - Throws: 404204, 400004 for a continuation that is none.
  public func registrations(
    by key: EnrollmentKey,
    pageSize: Int,
    continuation: String?
  ) throws(HubError) -> Page<RegistrationState> {
    _ = try enrollment(key)
    let after = try Self.start(continuation)
    let size = min(max(pageSize, 1), rules.pageLimit)
    let rows = try stored { storage throws(StorageFault) in
      try storage.registrations(by: key, after: after, limit: size + 1)
    }
    return Self.page(rows, size) { $0.registrationID }
  }

  /// The state of a registration.
  ///
  /// - Throws: 404202.
  public func registration(_ id: String) throws(HubError) -> RegistrationState {
    let found = try stored { storage throws(StorageFault) in try storage.registration(id) }
    guard let found else {
      throw HubError(.registrationNotFound, "\(id) has never registered.")
    }
    return found
  }

  /// The operation called `id` of a registration.
  ///
  /// - Throws: 404203, also for an operation of another registration.
  public func operation(
    _ id: String,
    of registrationID: String
  ) throws(HubError) -> OperationRecord {
    let found = try stored { storage throws(StorageFault) in try storage.operation(id) }
    guard let found, found.registrationID == registrationID else {
      throw HubError(.operationNotFound, "There is no such operation; register again.")
    }
    return found
  }

  /// The names of all operations that a crash left behind.
  public func runningOperations() throws(HubError) -> [String] {
    try stored { storage throws(StorageFault) in try storage.runningOperations() }
  }

  /// The certificates that may vouch for a device: those of groups.
  public func signingCertificates() throws(HubError) -> [CertificateSummary] {
    try groups().flatMap { group -> [CertificateSummary] in
      guard case .signingCertificates = group.attestation else { return [] }
      return group.attestation.summaries
    }
  }

  func groups() throws(HubError) -> [Enrollment] {
    try stored { storage throws(StorageFault) in
      try storage.enrollments(.group, after: nil, limit: rules.groupLimit)
    }
  }

  private static func start(_ continuation: String?) throws(HubError) -> String? {
    guard let continuation, !continuation.isEmpty else { return nil }
    guard let bytes = Base64.decode(continuation),
      let id = String(validating: bytes, as: UTF8.self), RegistrationID.normalized(id) == id
    else { throw HubError(.argumentInvalid, "x-ms-continuation is none of ours.") }
    return id
  }

  private static func page<Row: Sendable>(
    _ rows: [Row],
    _ size: Int,
    _ id: (Row) -> String
  ) -> Page<Row> {
    guard rows.count > size, let last = rows.prefix(size).last else {
      return Page(rows: rows, continuation: nil)
    }
    return Page(
      rows: Array(rows.prefix(size)),
      continuation: Base64.encode([UInt8](id(last).utf8))
    )
  }
}

extension HubError {
  static func noEnrollment(_ key: EnrollmentKey) -> HubError {
    switch key {
    case .individual(let id):
      HubError(.enrollmentNotFound, "There is no enrollment \(id).")
    case .group(let id):
      HubError(.enrollmentGroupNotFound, "There is no enrollment group \(id).")
    }
  }
}
