internal import ByteIO
public import JSONTree

/// How far a registration is (contract §6.4).
public enum RegistrationStatus: String, Sendable, CaseIterable {
  /// It has no hub.
  case unassigned
  /// It is getting one.
  case assigning
  /// It has one.
  case assigned
  /// It could not get one.
  case failed
  /// Its enrollment is disabled.
  case disabled
}

/// How an assigned registration came by its hub (contract §6.4).
public enum RegistrationSubstatus: String, Sendable, CaseIterable {
  /// For the first time.
  case initialAssignment
  /// It moved and took its twin along.
  case deviceDataMigrated
  /// It moved and its twin began anew.
  case deviceDataReset
  /// It came back to the hub of its first assignment.
  case reprovisionedToInitialAssignment
}

/// What the service remembers of a device that registered (contract §6.4).
public struct RegistrationState: Equatable, Sendable {
  /// Its name, in the normal form.
  public var registrationID: String
  /// The enrollment that it came by.
  public var enrollment: EnrollmentKey
  /// When it first registered.
  public var createdTime: Timestamp
  /// When this last changed.
  public var updatedTime: Timestamp
  /// How far it is.
  public var status: RegistrationStatus
  /// How it came by its hub.
  public var substatus: RegistrationSubstatus?
  /// The hub that it is assigned to.
  public var assignedHub: String?
  /// Its ID there.
  public var deviceID: String?
  /// The code of the last failure.
  public var failure: HubError?
  /// What the webhook sends to the device.
  public var payload: JSONValue?
  /// What it proved itself with.
  public var proof: RegistrationProof
  /// The certificate that was issued to it.
  public var issued: IssuedCertificate?
  /// Counts writes; its text is `ETags.identity`.
  public var etagCounter: UInt64

  /// Creates the state of a registration that has no hub yet.
  public init(
    registrationID: String,
    enrollment: EnrollmentKey,
    proof: RegistrationProof,
    now: Timestamp
  ) {
    self.registrationID = registrationID
    self.enrollment = enrollment
    self.proof = proof
    createdTime = now
    updatedTime = now
    status = .unassigned
    etagCounter = 1
  }

  /// The object as the service side shows it.
  public var json: JSONValue { .object(object) }

  /// The object as the device is told it: with its attestation.
  public var deviceJSON: JSONValue {
    var object = object
    var group: JSONValue?
    if case .group(let id) = enrollment { group = .string(id) }
    switch proof {
    case .symmetricKey:
      object["symmetricKey"] = ["enrollmentGroupId": group ?? .null]
    case .certificate(let leaf, let signer):
      var x509: JSONObject = ["certificateInfo": leaf.info]
      x509["enrollmentGroupId"] = group
      x509["signingCertificateInfo"] = signer?.info
      object["x509"] = .object(x509)
    case .tpm(let key):
      object["tpm"] = ["authenticationKey": .string(Base64.encode(key))]
    }
    if status == .assigned { object["issuedCertificateChain"] = issued?.json }
    return .object(object)
  }

  private var object: JSONObject {
    var object: JSONObject = [
      "registrationId": .string(registrationID),
      "createdDateTimeUtc": .string(createdTime.iso8601),
    ]
    object["assignedHub"] = assignedHub.map { .string($0) }
    object["deviceId"] = deviceID.map { .string($0) }
    object["status"] = .string(status.rawValue)
    object["substatus"] = substatus.map { .string($0.rawValue) }
    object["errorCode"] = failure.map { .int(Int64($0.code.rawValue)) }
    object["errorMessage"] = failure.map { .string($0.message) }
    object["lastUpdatedDateTimeUtc"] = .string(updatedTime.iso8601)
    object["etag"] = .string(ETags.quoted(ETags.identity(etagCounter)))
    object["payload"] = payload
    return object
  }
}

extension RegistrationState {
  /// Everything, for the storage.
  public var stored: JSONValue {
    var object: JSONObject = [
      "id": .string(registrationID), "kind": .string(enrollment.kind.rawValue),
      "enrollment": .string(enrollment.id), "created": .int(createdTime.ticks),
      "updated": .int(updatedTime.ticks), "status": .string(status.rawValue),
      "etag": .int(Int64(clamping: etagCounter)),
    ]
    object["substatus"] = substatus.map { .string($0.rawValue) }
    object["hub"] = assignedHub.map { .string($0) }
    object["device"] = deviceID.map { .string($0) }
    if let failure {
      object["code"] = .int(Int64(failure.code.rawValue))
      object["message"] = .string(failure.message)
    }
    object["payload"] = payload
    object["issued"] = issued?.stored
    proof.store(in: &object)
    return .object(object)
  }

  /// Reads what `stored` made; nil for anything else.
  public init?(stored: JSONValue) {
    guard let id = stored["id"]?.stringValue,
      let kind = stored["kind"]?.stringValue.flatMap({ EnrollmentKind(rawValue: $0) }),
      let enrollment = stored["enrollment"]?.stringValue.flatMap({ EnrollmentKey(kind, $0) }),
      let created = stored["created"]?.int64Value, let updated = stored["updated"]?.int64Value,
      let status = stored["status"]?.stringValue.flatMap({ RegistrationStatus(rawValue: $0) }),
      let etag = stored["etag"]?.int64Value, let proof = RegistrationProof(storedIn: stored)
    else { return nil }
    self.init(
      registrationID: id,
      enrollment: enrollment,
      proof: proof,
      now: Timestamp(ticks: created)
    )
    updatedTime = Timestamp(ticks: updated)
    self.status = status
    substatus = stored["substatus"]?.stringValue.flatMap { RegistrationSubstatus(rawValue: $0) }
    assignedHub = stored["hub"]?.stringValue
    deviceID = stored["device"]?.stringValue
    if let code = stored["code"]?.int64Value, let message = stored["message"]?.stringValue {
      failure = HubError(HubErrorCode(rawValue: Int(clamping: code)), message)
    }
    payload = stored["payload"]
    issued = stored["issued"].flatMap { IssuedCertificate(stored: $0) }
    etagCounter = UInt64(clamping: etag)
  }
}
