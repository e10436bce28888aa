internal import ByteIO
public import HubContract
public import HubEngine
public import JSONTree

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
  public struct Page: Sendable {
    /// The rows as JSON.
    public var rows: [JSONValue]
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
  ) throws(HubError) -> Page {
    let table = kind == .individual ? "enrollments" : "enrollmentgroups"
    let words = query.utf8.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }
      .map { String(decoding: $0.map { $0 | 0x20 }, as: UTF8.self) }
    guard words == ["select", "*", "from", table] else {
      throw HubError(
        .argumentInvalid,
        "The query must be SELECT * FROM \(kind == .individual ? "enrollments" : "enrollmentGroups")."
      )
    }
    return try page(
      pageSize,
      after: continuation,
      { (row: Enrollment) in row.key.id },
      { $0.json(.shown) }
    ) {
      storage,
      after,
      limit throws(StorageFault) in
      try storage.enrollments(kind, after: after, limit: limit)
    }
  }

  /// A page of the registrations of a group.
  ///
  /// - Throws: 404204, 400004 for a continuation that is none.
  public func registrations(
    by key: EnrollmentKey,
    pageSize: Int,
    continuation: String?
  ) throws(HubError) -> Page {
    _ = try enrollment(key)
    return try page(
      pageSize,
      after: continuation,
      { (row: RegistrationState) in row.registrationID },
      { $0.json }
    ) {
      storage,
      after,
      limit throws(StorageFault) in
      try storage.registrations(by: key, after: after, limit: limit)
    }
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

  /// The certificates of groups with one of these subjects, which may vouch for a device.
  public func signingCertificates(
    subjects: Set<String>
  ) throws(HubError) -> [CertificateSummary] {
    var found: [CertificateSummary] = []
    for subject in subjects {
      for group in try groups(.subject(subject), limit: rules.groupLimit) {
        found += group.attestation.summaries.filter { $0.subjectName == subject }
      }
    }
    return found
  }

  func groups(_ key: EnrollmentIndexKey, limit: Int) throws(HubError) -> [Enrollment] {
    try stored { storage throws(StorageFault) in try storage.groups(indexedBy: key, limit: limit) }
  }

  private static func start(_ continuation: String?) throws(HubError) -> String? {
    guard let continuation, !continuation.isEmpty else { return nil }
    guard let bytes = Base64.decode(continuation),
      let id = String(validating: bytes, as: UTF8.self), RegistrationID.normalized(id) == id
    else { throw HubError(.argumentInvalid, "x-ms-continuation is none of ours.") }
    return id
  }

  /// Reads rows until there are `pageSize` of them, or the page has grown large.
  private func page<Row>(
    _ pageSize: Int,
    after continuation: String?,
    _ id: (Row) -> String,
    _ json: (Row) -> JSONValue,
    _ read: (borrowing Storage, String?, Int) throws(StorageFault) -> [Row]
  ) throws(HubError) -> Page {
    let size = min(max(pageSize, 1), rules.pageLimit)
    var last = try Self.start(continuation)
    var page = Page(rows: [], continuation: nil)
    var byteCount = 0
    while true {
      // One row more than the page takes, to see whether there is one; few at once, for each may be
      // large.
      let limit = min(size - page.rows.count + 1, 64)
      let rows = try stored { storage throws(StorageFault) in try read(storage, last, limit) }
      for row in rows {
        guard page.rows.count < size, byteCount < rules.pageBytes else {
          page.continuation = last.map { Base64.encode([UInt8]($0.utf8)) }
          return page
        }
        let value = json(row)
        byteCount += JSON.bytes(value).count
        page.rows.append(value)
        last = id(row)
      }
      guard rows.count == limit else { return page }
    }
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
