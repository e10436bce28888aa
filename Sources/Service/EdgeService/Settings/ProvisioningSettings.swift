import HubContract
import JSONTree
import Platform

/// Where the device's identity comes from.
package enum ProvisioningSettings: Equatable, Sendable {
  /// Proof of who the device is.
  package enum Proof: Equatable, Sendable {
    /// A symmetric key.
    case symmetricKey(SecretSource)
    /// A certificate and its key: the PEM files of both.
    case certificate(chain: String, privateKey: String)
    /// The machine's TPM.
    case chip(ChipSettings)
  }

  /// What the provisioning service is asked with.
  package struct Service: Equatable, Sendable {
    /// The host and, behind a colon, the port.
    package let endpoint: String
    package let idScope: String
    /// Nil for that of the certificate.
    package let registrationID: String?
    package let proof: Proof
    /// A file with what the device tells the service, JSON.
    package let payload: String?

    package init(
      endpoint: String,
      idScope: String,
      registrationID: String?,
      proof: Proof,
      payload: String?
    ) {
      self.endpoint = endpoint
      self.idScope = idScope
      self.registrationID = registrationID
      self.proof = proof
      self.payload = payload
    }
  }

  /// The settings name it.
  case manual(hubHostName: String, deviceID: String, Proof)
  /// The provisioning service tells it.
  case service(Service)

  /// Reads `[provisioning]`, and `[tpm]` where it is needed.
  ///
  /// `issued` is the file in which a certificate from an EST server is kept, with its key.
  init(_ table: SettingsTable, chip: SettingsTable?, issued: String) throws(SettingsFault) {
    let known = [
      "source", "connection_string", "device_connection_string", "iothub_hostname", "device_id",
      "authentication", "global_endpoint", "id_scope", "attestation", "payload",
      "always_reprovision_on_startup", "dynamic_reprovisioning",
    ]
    try table.refuse(otherThan: known)
    // Older files have them; auto_reprovisioning_mode says the same.
    _ = try table.flag("always_reprovision_on_startup")
    _ = try table.flag("dynamic_reprovisioning")
    guard let source = try table.word("source", of: ["manual", "dps"]) else {
      throw table.fault("source", "is missing", remedy: "Write source = \"manual\" or \"dps\".")
    }
    self =
      source == "dps"
      ? try Self.service(table, chip, issued) : try Self.manual(table, issued)
  }

  /// Whether the machine's TPM proves who the device is.
  var usesChip: Bool {
    if case .service(let service) = self, case .chip = service.proof { true } else { false }
  }

  private static func manual(
    _ table: SettingsTable,
    _ issued: String
  ) throws(SettingsFault) -> Self {
    for name in ["global_endpoint", "id_scope", "attestation", "payload"] where table.contains(name)
    {
      throw table.fault(name, "goes with source = \"dps\" alone")
    }
    let name =
      table.contains("device_connection_string") ? "device_connection_string" : "connection_string"
    if let text = try table.text(name) {
      for other in ["iothub_hostname", "device_id", "authentication"] where table.contains(other) {
        throw table.fault(other, "is in \(name) already", remedy: "Keep one of the two.")
      }
      return try connectionString(text, table, name)
    }
    let hub = try table.required("iothub_hostname", "without connection_string")
    let deviceID = try table.required("device_id", "without connection_string")
    guard DeviceID.isValid(deviceID) else {
      throw table.fault("device_id", "is no valid device ID")
    }
    guard let proof = try table.table("authentication") else {
      throw table.fault(
        "authentication",
        "is missing",
        remedy: "Add [provisioning.authentication]."
      )
    }
    try proof.refuse(otherThan: ["method", "device_id_pk", "identity_cert", "identity_pk"])
    let method = try proof.word("method", of: ["sas", "x509"])
    switch method {
    case "sas":
      let key = try proof.secret("device_id_pk", "with method = \"sas\"")
      return .manual(hubHostName: hub, deviceID: deviceID, .symmetricKey(key))
    case "x509":
      return .manual(hubHostName: hub, deviceID: deviceID, try certificate(proof, issued))
    default: throw proof.fault("method", "is missing", remedy: "Write \"sas\" or \"x509\".")
    }
  }

  private static func connectionString(
    _ text: String,
    _ table: SettingsTable,
    _ name: String
  ) throws(SettingsFault) -> Self {
    let parsed: ConnectionString
    do throws(ConnectionStringFault) {
      parsed = try ConnectionString(text)
    } catch {
      throw table.fault(name, "cannot be used: \(error)")
    }
    guard case .identity(let host, let identity, let credential, _) = parsed else {
      throw table.fault(name, "is not a device's", remedy: "Take that of the edge device.")
    }
    guard identity.moduleID == nil else {
      throw table.fault(name, "is a module's", remedy: "Take that of the edge device.")
    }
    guard case .key(let key) = credential else {
      throw table.fault(
        name,
        "has no key",
        remedy: "Use iothub_hostname, device_id and authentication with method = \"x509\"."
      )
    }
    return .manual(hubHostName: host, deviceID: identity.deviceID, .symmetricKey(.inline(key)))
  }

  private static func service(
    _ table: SettingsTable,
    _ chip: SettingsTable?,
    _ issued: String
  ) throws(SettingsFault) -> Self {
    for name in ["connection_string", "iothub_hostname", "device_id", "authentication"]
    where table.contains(name) {
      throw table.fault(name, "goes with source = \"manual\" alone")
    }
    guard let proof = try table.table("attestation") else {
      throw table.fault("attestation", "is missing", remedy: "Add [provisioning.attestation].")
    }
    try proof.refuse(otherThan: [
      "method", "registration_id", "symmetric_key", "identity_cert", "identity_pk",
    ])
    let registration = try proof.text("registration_id")
    if let registration, RegistrationID.normalized(registration) == nil {
      throw proof.fault("registration_id", "is no valid registration ID")
    }
    let method = try proof.word("method", of: ["symmetric_key", "x509", "tpm"])
    let kind: Proof
    switch method {
    case "symmetric_key":
      _ = try proof.required("registration_id", "with method = \"symmetric_key\"")
      kind = .symmetricKey(
        try proof.secret("symmetric_key", "with method = \"symmetric_key\"")
      )
    case "x509": kind = try certificate(proof, issued)
    case "tpm":
      _ = try proof.required("registration_id", "with method = \"tpm\"")
      kind = .chip(try ChipSettings(chip))
    default:
      throw proof.fault(
        "method",
        "is missing",
        remedy: "Write \"symmetric_key\", \"x509\" or \"tpm\"."
      )
    }
    var payload: String?
    if let table = try table.table("payload") {
      try table.refuse(otherThan: ["uri"])
      payload = try table.path("uri")
    }
    return .service(
      Service(
        endpoint: try endpoint(table),
        idScope: try table.required("id_scope", "with source = \"dps\""),
        registrationID: registration,
        proof: kind,
        payload: payload
      )
    )
  }

  /// Host and port of `https://host[:port][/]`.
  private static func endpoint(_ table: SettingsTable) throws(SettingsFault) -> String {
    let text = try table.required("global_endpoint", "with source = \"dps\"")
    let rest = text.hasPrefix("https://") ? text.dropFirst(8) : text[...]
    let authority = rest.hasSuffix("/") ? rest.dropLast() : rest
    guard !authority.isEmpty, !authority.contains("/") else {
      throw table.fault("global_endpoint", "must be like https://dps.example.com")
    }
    return String(authority)
  }

  private static func certificate(
    _ table: SettingsTable,
    _ issued: String
  ) throws(SettingsFault) -> Proof {
    if table.value("identity_cert")?.objectValue != nil {
      let method = try table.table("identity_cert")?.text("method")
      guard method == "est" else {
        throw table.fault(
          "identity_cert",
          "is a table whose method is not est; this version asks nobody else for certificates",
          remedy: "Write { method = \"est\", common_name = \"…\" }, or name a file."
        )
      }
      guard !table.contains("identity_pk") else {
        throw table.fault(
          "identity_pk",
          "does not go with identity_cert.method = \"est\"",
          remedy: "Leave it out: the key is made here."
        )
      }
      return .certificate(chain: issued, privateKey: issued)
    }
    if let uri = try? table.table("identity_pk")?.text("uri") {
      // The vendor's form for keys in tokens; the path's own fault says what is taken.
      _ = try table.path("identity_pk", uri)
    }
    guard let chain = try table.path("identity_cert"), let key = try table.path("identity_pk")
    else {
      throw table.fault(
        table.contains("identity_cert") ? "identity_pk" : "identity_cert",
        "is missing",
        remedy: "It is needed with method = \"x509\"."
      )
    }
    return .certificate(chain: chain, privateKey: key)
  }
}
