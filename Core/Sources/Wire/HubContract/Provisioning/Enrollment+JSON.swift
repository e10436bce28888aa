public import JSONTree

extension Enrollment {
  /// The longest array of hubs.
  public static let hubLimit = 50

  /// Reads the body of a write (contract §6.6).
  ///
  /// - Parameters:
  ///   - body: the JSON object.
  ///   - key: the name in the path.
  ///   - existing: what is replaced, nil for a new one; keys and certificates that the body leaves
  ///     out stay.
  ///   - readCertificate: reads certificates.
  ///   - mintKey: makes a key of 64 bytes.
  /// - Throws: 400004, 400005 and 400012 for what breaks a rule.
  public init(
    body: JSONValue,
    key: EnrollmentKey,
    existing: Enrollment?,
    readCertificate: @escaping CertificateReading,
    mintKey: @escaping () throws(HubError) -> SymmetricKey
  ) throws(HubError) {
    let fields = try BodyFields(body)
    let source = EnrollmentSource(
      existing: existing?.attestation,
      readCertificate: readCertificate,
      mintKey: mintKey
    )
    try self.init(fields, key, source)
    let name = key.kind == .individual ? "registrationId" : "enrollmentGroupId"
    if let id = try fields.nonEmptyString(name), EnrollmentKey(key.kind, id) != key {
      throw fields.invalid(name, "is not the name in the path.")
    }
    try check(fields)
  }

  /// Reads what the storage keeps.
  ///
  /// - Throws: whatever its text breaks.
  public init(stored: JSONValue, key: EnrollmentKey) throws(HubError) {
    let fields = try BodyFields(stored)
    let source = EnrollmentSource { () throws(HubError) in
      throw HubError(.serverError, "A stored enrollment has no keys.")
    }
    try self.init(fields, key, source)
    etagCounter = UInt64(clamping: try fields.integer("etagCounter") ?? 0)
    createdTime = Timestamp(ticks: try fields.integer("created") ?? 0)
    updatedTime = Timestamp(ticks: try fields.integer("updated") ?? 0)
  }

  private init(
    _ fields: BodyFields,
    _ key: EnrollmentKey,
    _ source: EnrollmentSource
  ) throws(HubError) {
    guard let attestation = try fields.fields("attestation") else {
      throw HubError(.argumentNull, "attestation is missing; send an object.")
    }
    self.init(key: key, attestation: try Attestation(attestation, source))
    deviceID = try fields.nonEmptyString("deviceId")
    isEdge = try fields.fields("capabilities")?.bool("iotEdge") ?? false
    if let twin = try fields.fields("initialTwin") { initialTwin = try InitialTwin(twin) }
    switch try fields.nonEmptyString("provisioningStatus") {
    case nil, "enabled": isEnabled = true
    case "disabled": isEnabled = false
    default: throw fields.invalid("provisioningStatus", "must be enabled or disabled.")
    }
    if let policy = try fields.fields("reprovisionPolicy") {
      reprovisionPolicy = ReprovisionPolicy(
        updatesAssignment: try policy.bool("updateHubAssignment") ?? true,
        migratesData: try policy.bool("migrateDeviceData") ?? true
      )
    }
    if let text = try fields.nonEmptyString("allocationPolicy") {
      guard let policy = AllocationPolicy(rawValue: text) else {
        throw fields.invalid("allocationPolicy", "must be hashed, geoLatency, static or custom.")
      }
      allocationPolicy = policy
    }
    hubHostName = try fields.nonEmptyString("iotHubHostName").map(SASResource.lowercase)
    hubs = try (fields.strings("iotHubs") ?? []).map(SASResource.lowercase)
    if let custom = try fields.fields("customAllocationDefinition") {
      customAllocation = CustomAllocation(
        webhookURL: try custom.requiredString("webhookUrl"),
        apiVersion: try custom.requiredString("apiVersion")
      )
    }
    issuingAuthority = try fields.fields("clientCertificateIssuancePolicy")?
      .nonEmptyString("certificateAuthorityName")
    optionalDeviceInformation = fields.value("optionalDeviceInformation")
  }

  private func check(_ fields: BodyFields) throws(HubError) {
    switch (key.kind, attestation) {
    case (.individual, .signingCertificates):
      throw fields.invalid("attestation.x509", "of one device holds no signing certificates.")
    case (.group, .clientCertificates):
      throw fields.invalid("attestation.x509", "of a group holds no client certificates.")
    case (.group, .tpm):
      throw fields.invalid("attestation.type", "tpm is for individual enrollments alone.")
    default: break
    }
    if let deviceID {
      guard key.kind == .individual else {
        throw fields.invalid("deviceId", "is for individual enrollments alone.")
      }
      guard DeviceID.isValid(deviceID) else {
        throw fields.invalid("deviceId", "is no device ID.")
      }
    }
    guard hubs.count <= Self.hubLimit else {
      throw fields.invalid("iotHubs", "has more than \(Self.hubLimit) elements.")
    }
    if allocationPolicy == .static, namedHubs.count != 1 {
      throw fields.invalid("iotHubs", "must name exactly one hub for the policy static.")
    }
    if allocationPolicy == .custom {
      guard let url = customAllocation?.webhookURL else {
        throw fields.invalid("customAllocationDefinition", "is missing for the policy custom.")
      }
      guard url.utf8.starts(with: "https://".utf8), url.utf8.count <= 2048 else {
        throw fields.invalid("customAllocationDefinition.webhookUrl", "must begin with https://.")
      }
    }
  }

  /// The JSON object, without a registration state.
  public func json(_ detail: EnrollmentDetail) -> JSONValue {
    var object: JSONObject = [
      (key.kind == .individual ? "registrationId" : "enrollmentGroupId"): .string(key.id)
    ]
    object["deviceId"] = deviceID.map { .string($0) }
    object["attestation"] = attestation.json(detail)
    object["capabilities"] = ["iotEdge": .bool(isEdge)]
    object["iotHubHostName"] = hubHostName.map { .string($0) }
    object["initialTwin"] = initialTwin?.json
    object["provisioningStatus"] = isEnabled ? "enabled" : "disabled"
    object["reprovisionPolicy"] = [
      "updateHubAssignment": .bool(reprovisionPolicy.updatesAssignment),
      "migrateDeviceData": .bool(reprovisionPolicy.migratesData),
    ]
    object["allocationPolicy"] = allocationPolicy.map { .string($0.rawValue) }
    if !hubs.isEmpty { object["iotHubs"] = .array(hubs.map { .string($0) }) }
    if let customAllocation {
      object["customAllocationDefinition"] = [
        "webhookUrl": .string(customAllocation.webhookURL),
        "apiVersion": .string(customAllocation.apiVersion),
      ]
    }
    if let issuingAuthority {
      object["clientCertificateIssuancePolicy"] = [
        "certificateAuthorityName": .string(issuingAuthority)
      ]
    }
    object["optionalDeviceInformation"] = optionalDeviceInformation
    guard detail != .stored else {
      object["etagCounter"] = .int(Int64(clamping: etagCounter))
      object["created"] = .int(createdTime.ticks)
      object["updated"] = .int(updatedTime.ticks)
      return .object(object)
    }
    object["etag"] = .string(ETags.quoted(ETags.identity(etagCounter)))
    object["createdDateTimeUtc"] = .string(createdTime.iso8601)
    object["lastUpdatedDateTimeUtc"] = .string(updatedTime.iso8601)
    return .object(object)
  }

  /// The answer of `attestationmechanism`, keys included.
  public var attestationMechanism: JSONValue { attestation.json(.withKeys) }
}
