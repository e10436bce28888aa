import JSONTree
package import Platform

/// What one process is told of the settings: a file like that of the settings, with what the process
/// needs and nothing else.
///
/// The supervisor alone reads the settings file, which may be root's and nobody else's, and writes such
/// a file for each process (`EdgePaths.settings(of:)`). What is not named here reaches no process, so a
/// setting that is added later is kept back until somebody decides otherwise. The table `[copy]` tells
/// such a file from one that a person wrote.
package struct SettingsCopy: Equatable, Sendable {
  /// The settings file that it was made of.
  package let original: String
  /// The process that it is for.
  package let role: EdgeRole

  /// Takes the table that tells a copy out of a file; nil for settings that a person wrote.
  init?(takenFrom object: inout JSONObject, file: String) throws(SettingsFault) {
    guard let table = object["copy"] else { return nil }
    object["copy"] = nil
    guard let original = table["of"]?.stringValue,
      let role = table["role"]?.stringValue.flatMap({ EdgeRole(rawValue: $0) })
    else {
      throw SettingsFault(
        "\(file): unknown setting copy",
        remedy: "The supervisor writes [copy] into what its processes read; leave it out."
      )
    }
    (self.original, self.role) = (original, role)
  }

  /// What every process is told.
  private static let common = [
    "hostname", "hostname_aliases", "parent_hostname", "trust_bundle_cert",
    "prefer_module_identity_cache", "cloud_timeout_sec", "cloud_retries", "iotedge_max_requests",
    "upstream", "logging",
  ]
  /// What the process that proves who the device is, and makes certificates, is told.
  private static let keys = ["provisioning", "tpm", "edge_ca", "cert_issuance", "listen"]
  /// What the process that runs modules is told.
  private static let agent = [
    "listen", "moby_runtime", "allow_elevated_docker_permissions",
    "image_garbage_collection", "image_signatures", "image_registries",
  ]

  /// The text of the file for the process `role`.
  ///
  /// It is made of the settings file, which is at `file` and has `bytes`; settings that cannot be used
  /// are refused. `deployed` are variables that the deployment sets for the local hub; those of the
  /// settings win.
  package static func text(
    of bytes: [UInt8],
    at file: String,
    for role: EdgeRole,
    paths: EdgePaths,
    deployed: [String: String] = [:]
  ) throws(SettingsFault) -> String {
    let settings = try EdgeSettings(bytes, file: file, paths: paths)
    try settings.refuseCopy(at: file)
    let all = try TOMLDocument.parse(bytes, file: file)
    var copy: JSONObject = ["copy": ["of": .string(file), "role": .string(role.rawValue)]]
    func take(_ names: [String]) { for name in names { copy[name] = all[name] } }
    func takeMembers(of name: String, _ members: [String]) {
      guard let table = all[name]?.objectValue else { return }
      copy[name] = .object(JSONObject(table.filter { members.contains($0.key) }))
    }
    take(common)
    copy["auto_reprovisioning_mode"] = .string(settings.reprovisioning.rawValue)
    takeMembers(of: "metrics", ["host", "hub_port", "agent_port", "keys_port"])
    if role != .keys {
      // Who issues the device's certificate is for the agent's checks.
      let issuance = role == .agent ? settings.identityIssuance : nil
      copy["provisioning"] = .object(settings.provisioning.withheld(issuance))
    }
    switch role {
    case .keys: take(keys)
    case .agent:
      take(agent)
      takeMembers(of: "agent", ["env"])
      // Where certificates come from, for the checks; not what is shown for them.
      if case .est(let wanted) = settings.edgeAuthority.source {
        copy["edge_ca"] = .object(wanted.withheld)
      } else {
        take(["edge_ca"])
      }
      var issuance: JSONObject = [:]
      issuance["local_ca"] = all["cert_issuance"]?["local_ca"]
      if let trusted = all["cert_issuance"]?["est"]?["trusted_certs"] {
        issuance["est"] = ["trusted_certs": trusted]
      }
      if !issuance.isEmpty { copy["cert_issuance"] = .object(issuance) }
      // Which chip it is, for the checks; not what opens it.
      if settings.provisioning.usesChip { takeMembers(of: "tpm", ["tcti"]) }
    case .hub:
      take(["hub"])
      if !deployed.isEmpty {
        var hub = copy["hub"]?.objectValue ?? [:]
        hub["env"] = SupervisorOrder.json(
          EnvironmentVariables.joined(deployed, settings.hub.environment)
        )
        copy["hub"] = .object(hub)
      }
      // The addresses of its pages may have passwords in them.
      take(["metrics"])
    }
    return TOMLDocument.text(of: copy)
  }
}

extension EdgeSettings {
  /// Refuses a file that was made for one process; `path` is the file, for the fault.
  package func refuseCopy(at path: String) throws(SettingsFault) {
    guard let copy else { return }
    throw SettingsFault(
      "\(path) is what the supervisor wrote for the process \(copy.role.rawValue)",
      remedy: "Name the settings file itself: \(copy.original)"
    )
  }
}

extension ProvisioningSettings {
  /// The table as those see it who do not prove who the device is.
  fileprivate func withheld(_ issuance: ESTCertificateSettings?) -> JSONObject {
    switch self {
    case .manual(let hub, let deviceID, let proof):
      return [
        "source": "manual", "iothub_hostname": .string(hub), "device_id": .string(deviceID),
        "authentication": .object(proof.withheld("sas", "device_id_pk", issuance)),
      ]
    case .service(let service):
      var attestation = service.proof.withheld("symmetric_key", "symmetric_key", issuance)
      attestation["registration_id"] = service.registrationID.map { .string($0) }
      return [
        "source": "dps", "global_endpoint": .string("https://\(service.endpoint)"),
        "id_scope": .string(service.idScope), "attestation": .object(attestation),
      ]
    }
  }
}

extension ProvisioningSettings.Proof {
  /// How the proof is made, and where files are; not the key: `method` and `key` are what a symmetric
  /// one and its method are called.
  fileprivate func withheld(
    _ method: String,
    _ key: String,
    _ issuance: ESTCertificateSettings?
  ) -> JSONObject {
    switch self {
    case .symmetricKey: return ["method": .string(method), key: ["withheld": true]]
    case .certificate(let chain, let privateKey):
      if let issuance { return ["method": "x509", "identity_cert": .object(issuance.withheld)] }
      return [
        "method": "x509", "identity_cert": .string(chain), "identity_pk": .string(privateKey),
      ]
    case .chip: return ["method": "tpm"]
    }
  }
}

extension ESTCertificateSettings {
  /// What is asked for and where, without the password for it.
  fileprivate var withheld: JSONObject {
    var table: JSONObject = [
      "method": "est", "common_name": .string(commonName), "url": .string(server.url),
    ]
    if let identity = server.identity {
      table["identity_cert"] = .string(identity.chain)
      table["identity_pk"] = .string(identity.privateKey)
    }
    return table
  }
}
