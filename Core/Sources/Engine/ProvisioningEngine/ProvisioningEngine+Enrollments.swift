public import HubContract
internal import HubEngine
public import JSONTree

extension ProvisioningEngine {
  /// Creates an enrollment, or replaces one (contract §6.6).
  ///
  /// Without a condition it only creates, with one it only replaces. Keys and certificates that the
  /// body leaves out stay; without any, keys are made.
  ///
  /// - Parameters:
  ///   - key: the name in the path.
  ///   - body: the enrollment.
  ///   - condition: the header `If-Match`.
  ///   - now: the time.
  /// - Returns: the enrollment as it now is.
  /// - Throws: 409201 or 409202 if it exists, 404201 or 404204 if not, 412000, 400205 above the
  ///   limit, 400004, 400005 and 400012 for what breaks a rule.
  public mutating func putEnrollment(
    _ key: EnrollmentKey,
    body: JSONValue,
    ifMatch condition: ETagCondition,
    now: Timestamp
  ) throws(HubError) -> Enrollment {
    let existing = try stored { storage throws(StorageFault) in try storage.enrollment(key) }
    if case .absent = condition {
      guard existing == nil else { throw Self.exists(key) }
      let limit = key.kind == .individual ? rules.enrollmentLimit : rules.groupLimit
      let count = try stored { storage throws(StorageFault) in
        try storage.enrollmentCount(key.kind)
      }
      guard count < limit else {
        throw HubError(.tooManyEnrollments, "There are \(limit) already, which is the limit.")
      }
    } else {
      guard let existing else { throw .noEnrollment(key) }
      try Self.check(condition, existing.etagCounter)
    }
    let mint = { [self] () throws(HubError) in try mintKey(byteCount: 64) }
    var enrollment = try Enrollment(
      body: body,
      key: key,
      existing: existing,
      readCertificate: readCertificate,
      mintKey: mint
    )
    for hub in enrollment.namedHubs where rules.hub(hub) == nil {
      throw HubError(.argumentInvalid, "iotHubs: \(hub) is no linked hub.")
    }
    if let name = enrollment.issuingAuthority, !rules.issuers.contains(name) {
      throw HubError(
        .argumentInvalid,
        "clientCertificateIssuancePolicy.certificateAuthorityName: \(name) is none of those that issue here: \(rules.issuers.sorted().joined(separator: ", "))."
      )
    }
    if let fault = enrollment.initialTwin?.fault(rules.quotas) {
      throw HubError(.argumentInvalid, fault)
    }
    if enrollment.indexKeys.contains(.symmetricKey),
      existing?.indexKeys.contains(.symmetricKey) != true
    {
      try checkRoomForSymmetricKeyGroup()
    }
    enrollment.createdTime = existing?.createdTime ?? now
    enrollment.updatedTime = now
    enrollment.etagCounter = try nextETag()
    let written = enrollment
    try stored { storage throws(StorageFault) in try storage.put(written) }
    return enrollment
  }

  private func checkRoomForSymmetricKeyGroup() throws(HubError) {
    let limit = rules.symmetricKeyGroupLimit
    guard try view.groups(.symmetricKey, limit: limit).count < limit else {
      throw HubError(
        .tooManyEnrollments,
        "There are \(limit) groups of symmetric keys already, which is the limit."
      )
    }
  }

  /// Deletes an enrollment; identities and registrations that came by it stay.
  ///
  /// - Throws: 404201 or 404204, 412000.
  public mutating func deleteEnrollment(
    _ key: EnrollmentKey,
    ifMatch condition: ETagCondition
  ) throws(HubError) {
    let existing = try stored { storage throws(StorageFault) in try storage.enrollment(key) }
    guard let existing else { throw .noEnrollment(key) }
    try Self.check(condition, existing.etagCounter)
    try stored { storage throws(StorageFault) in try storage.deleteEnrollment(key) }
  }

  /// Carries out a bulk call, whose elements stand for themselves (contract §6.6).
  ///
  /// - Returns: the answer's body.
  /// - Throws: 400205 above the limit, 400206 for a name that occurs twice, 400004, 400005 and
  ///   400012 for the shape of the whole.
  public mutating func bulk(
    _ kind: EnrollmentKind,
    body: JSONValue,
    now: Timestamp
  ) throws(HubError) -> JSONValue {
    let member = kind == .individual ? "enrollments" : "enrollmentGroups"
    let name = kind == .individual ? "registrationId" : "enrollmentGroupId"
    guard let mode = body["mode"]?.stringValue,
      ["create", "update", "updateIfMatchETag", "delete"].contains(mode)
    else {
      throw HubError(
        .argumentInvalid,
        "mode must be create, update, updateIfMatchETag or delete."
      )
    }
    guard let elements = body[member]?.arrayValue, !elements.isEmpty else {
      throw HubError(.argumentNull, "\(member) is missing; send an array of enrollments.")
    }
    guard elements.count <= rules.bulkLimit else {
      throw HubError(.tooManyEnrollments, "At most \(rules.bulkLimit) enrollments in one call.")
    }
    var keys: [EnrollmentKey] = []
    for element in elements {
      guard let key = element[name]?.stringValue.flatMap({ EnrollmentKey(kind, $0) }) else {
        throw HubError(
          kind == .individual ? .invalidRegistrationID : .invalidEnrollmentGroupID,
          "\(name) of element \(keys.count + 1) is missing or illegal."
        )
      }
      guard !keys.contains(key) else {
        throw HubError(.registrationIDDefinedMultipleTimes, "\(key.id) occurs twice.")
      }
      keys.append(key)
    }
    var errors: [JSONValue] = []
    for (key, element) in zip(keys, elements) {
      do throws(HubError) {
        let condition: ETagCondition =
          switch mode {
          case "create": .absent
          case "updateIfMatchETag": Self.condition(element)
          default: .any
          }
        if mode == "delete" {
          try deleteEnrollment(key, ifMatch: condition)
        } else {
          _ = try putEnrollment(key, body: element, ifMatch: condition, now: now)
        }
      } catch {
        // A fault of the storage is everybody's.
        if fault != nil { throw error }
        errors.append([
          name: .string(key.id), "errorCode": .int(Int64(error.code.rawValue)),
          "errorStatus": .string(error.message),
        ])
      }
    }
    return ["isSuccessful": .bool(errors.isEmpty), "errors": .array(errors)]
  }

  /// The condition of an element that names its ETag; one without an ETag matches nothing.
  private static func condition(_ element: JSONValue) -> ETagCondition {
    let condition = ETagCondition(ifMatch: element["etag"]?.stringValue)
    return condition == .absent ? .exactly("") : condition
  }

  /// Forgets a registration, so that its device counts as new; its identity at the hub stays.
  ///
  /// - Throws: 404202, 412000, 409201 while the device is being assigned.
  public mutating func deleteRegistration(
    _ id: String,
    ifMatch condition: ETagCondition
  ) throws(HubError) {
    let existing = try view.registration(id)
    try Self.check(condition, existing.etagCounter)
    let running = try stored { storage throws(StorageFault) in
      try storage.runningOperation(of: id)
    }
    guard running == nil else {
      throw HubError(.enrollmentConflict, "\(id) is being assigned; try again afterwards.")
    }
    try stored { storage throws(StorageFault) in try storage.deleteRegistration(id) }
  }

  private static func check(_ condition: ETagCondition, _ counter: UInt64) throws(HubError) {
    guard condition.allows(ETags.identity(counter)) else {
      throw HubError(.provisioningPrecondition, "The ETag is not the current one; read it again.")
    }
  }

  private static func exists(_ key: EnrollmentKey) -> HubError {
    switch key {
    case .individual(let id):
      HubError(.enrollmentConflict, "Enrollment \(id) exists; send If-Match to update it.")
    case .group(let id):
      HubError(
        .enrollmentGroupConflict,
        "Enrollment group \(id) exists; send If-Match to update it."
      )
    }
  }
}
