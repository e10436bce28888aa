import ByteIO
import EdgeEngine
import HubContract
import JSONTree
package import Logging
package import Platform

/// Finds out who this device is: from the settings, or from the provisioning service, whose answer is
/// kept, so that later starts need no network.
package struct DeviceProvisioner: Sendable {
  /// Why there is no identity; later there may be.
  package struct Failure: Error, Equatable, CustomStringConvertible {
    package let description: String
  }

  private static let version = "2021-06-01"
  /// How often it is asked how far the assignment is.
  private static let polls = 60
  private static let tokenSeconds: Int64 = 3_600

  private let settings: EdgeSettings
  private let time: KnownTime
  private let logger: Logger
  private let environment: [String: String]

  package init(
    settings: EdgeSettings,
    time: KnownTime,
    environment: [String: String],
    logger: Logger
  ) {
    self.settings = settings
    self.time = time
    self.environment = environment
    self.logger = logger
  }

  /// The device as it is known without asking anybody, nil where it is not.
  ///
  /// - Throws: `SettingsFault` for a credential that cannot be used.
  package func known() throws(SettingsFault) -> DeviceAccount? {
    switch settings.provisioning {
    case .manual(let hub, let deviceID, let proof):
      return try account(hub, deviceID, proof)
    case .service(let service):
      guard let kept = kept(service) else { return nil }
      // Without the chip's key there is nothing to prove oneself with: it comes with the next answer.
      if case .chip = service.proof, keptChipKey == nil { return nil }
      return try account(kept.hub, kept.deviceID, service.proof)
    }
  }

  /// The device as the provisioning service says now; for one of the settings, as these say.
  ///
  /// - Throws: `SettingsFault` for a credential that cannot be used, `Failure` for anything else.
  package func ask() async throws -> DeviceAccount {
    guard case .service(let service) = settings.provisioning else {
      guard let account = try known() else { throw Failure(description: "no identity") }
      return account
    }
    let id = try registrationID(service)
    let client = try CloudClient(
      authorities: settings.upstreamAuthorities,
      identity: service.proof.files,
      proxy: try settings.proxy(environment, for: service.endpoint),
      seconds: settings.cloudTimeoutSeconds,
      retries: settings.cloudRetries,
      saw: { [time] in time.saw($0) }
    )
    let answer: Result<JSONValue, any Error>
    do {
      answer = .success(try await register(id, service, client))
    } catch {
      answer = .failure(error)
    }
    await client.close()
    let state = try answer.get()
    guard let hub = state["assignedHub"]?.stringValue, !hub.isEmpty,
      let deviceID = state["deviceId"]?.stringValue, DeviceID.isValid(deviceID)
    else { throw Failure(description: "the provisioning service's answer names no hub and device") }
    if case .chip(let chip) = service.proof { try await keep(state, Chip(chip)) }
    try keep(hub, deviceID, service)
    return try account(hub, deviceID, service.proof)
  }

  private func register(
    _ id: String,
    _ service: ProvisioningSettings.Service,
    _ client: CloudClient
  ) async throws -> JSONValue {
    let base =
      "https://\(service.endpoint)/\(PercentCoding.encode(service.idScope))/registrations/"
      + PercentCoding.encode(id)
    var body: JSONObject = ["registrationId": .string(id)]
    body["payload"] = try payload(service)
    var key: (any SigningKey)?
    switch service.proof {
    case .symmetricKey(let source): key = HeldKey(try source.key())
    case .certificate: break
    case .chip(let settings):
      let chip = Chip(settings)
      let identity = try await chip.identity()
      let endorsementKey = Base64.encode(identity.endorsementKey)
      body["tpm"] = [
        "endorsementKey": .string(endorsementKey),
        "storageRootKey": .string(Base64.encode(identity.storageRootKey)),
      ]
      logger.info(
        "registers with the TPM",
        metadata: ["registrationId": "\(id)", "endorsementKey": "\(endorsementKey)"]
      )
      let challenge = try await call("PUT", base + "/register", .object(body), id, nil, client)
      key = try await Self.activated(challenge.body["authenticationKey"], chip)
    }
    var answer = try await call("PUT", base + "/register", .object(body), id, key, client)
    for _ in 0..<Self.polls {
      let status = answer.body["status"]?.stringValue
      guard status != "assigned" else { break }
      guard status == nil || status == "assigning", answer.status == 202,
        let operation = answer.body["operationId"]?.stringValue
      else { break }
      try await Pause.sleep(for: .seconds(min(max(answer.retryAfterSeconds ?? 2, 1), 60)))
      let url = base + "/operations/" + PercentCoding.encode(operation)
      answer = try await call("GET", url, nil, id, key, client)
    }
    guard answer.body["status"]?.stringValue == "assigned",
      let state = answer.body["registrationState"]
    else {
      let state = answer.body["registrationState"]
      let reason = state?["errorMessage"]?.stringValue ?? answer.body["status"]?.stringValue
      throw Failure(
        description:
          "the provisioning service does not assign a hub: \(reason ?? "no reason given")"
      )
    }
    return state
  }

  private func call(
    _ method: String,
    _ url: String,
    _ body: JSONValue?,
    _ id: String,
    _ key: (any SigningKey)?,
    _ client: CloudClient
  ) async throws -> CloudClient.Answer {
    guard case .service(let service) = settings.provisioning else {
      throw Failure(description: "no provisioning service is set")
    }
    var headers: [(String, String)] = []
    if let key {
      let resource = SASResource(host: service.idScope, segments: ["registrations", id])
      // The scope is no host name: its case stays.
      let token = UnsignedToken(
        resource: ([service.idScope] + resource.segments).joined(separator: "/"),
        policy: "registration",
        expirySeconds: time.seconds + Self.tokenSeconds
      )
      headers.append(("Authorization", token.signed(try await key.sign(token.signedBytes))))
    }
    let answer: CloudClient.Answer
    do throws(CloudClient.Failure) {
      let query = "?api-version=" + Self.version
      answer = try await client.send(method, url + query, headers: headers, body: body)
    } catch {
      throw Failure(description: "the provisioning service at \(service.endpoint): \(error)")
    }
    // A chip gets the key to prove itself with by being refused at first.
    let isChallenge =
      key == nil && answer.status == 401 && answer.body["authenticationKey"]?.stringValue != nil
    guard (200..<300).contains(answer.status) || isChallenge else {
      throw Failure(
        description: "the provisioning service at \(service.endpoint) answered \(answer.message)"
      )
    }
    return answer
  }

  private func payload(_ service: ProvisioningSettings.Service) throws -> JSONValue? {
    guard let path = service.payload else { return nil }
    do {
      return try JSON.parse(PrivateFile.read(path, limit: 65_536))
    } catch {
      throw SettingsFault(
        "provisioning.payload: \(path): \(error)",
        remedy: "It must be a file of JSON."
      )
    }
  }

  private func registrationID(
    _ service: ProvisioningSettings.Service
  ) throws(SettingsFault) -> String {
    if let id = service.registrationID { return id }
    guard case .certificate(let path, _) = service.proof,
      let bytes = try? PrivateFile.read(path, limit: 1 << 20),
      let name = PresentedCertificate(PEMText.first(of: bytes))?.commonName,
      RegistrationID.normalized(name) != nil
    else {
      throw SettingsFault(
        "provisioning.attestation.registration_id is missing, and the certificate has no common "
          + "name that could be one"
      )
    }
    return name
  }

  private func account(
    _ hub: String,
    _ deviceID: String,
    _ proof: ProvisioningSettings.Proof
  ) throws(SettingsFault) -> DeviceAccount {
    let credential: DeviceAccount.Credential =
      switch proof {
      case .symmetricKey(let source): .key(HeldKey(try source.key()))
      case .certificate(let chain, let privateKey):
        .certificate(chain: chain, privateKey: privateKey)
      case .chip(let settings): .key(try chipKey(settings))
      }
    return DeviceAccount(
      identity: EdgeIdentity(
        hubHostName: hub,
        deviceID: deviceID,
        parentHostName: settings.parentHostName
      ),
      credential: credential
    )
  }
}

// MARK: - The TPM's key

extension DeviceProvisioner {
  private var chipKeyPath: String { settings.paths.data(of: .keys) + "/tpm-key" }

  private var keptChipKey: Chip.Wrapped? {
    (try? PrivateFile.read(chipKeyPath, limit: 8_192)).flatMap { Chip.Wrapped(stored: $0) }
  }

  private func chipKey(_ settings: ChipSettings) throws(SettingsFault) -> ChipKey {
    guard let key = keptChipKey else {
      throw SettingsFault(
        "\(chipKeyPath) holds no key of the TPM",
        remedy: "Remove it: the provisioning service is asked for another one."
      )
    }
    return ChipKey(chip: Chip(settings), key: key)
  }

  /// Takes the key for the hub, which signs in the chip from now on.
  private func keep(_ state: JSONValue, _ chip: Chip) async throws {
    let text = state["tpm"]?["authenticationKey"]
    let key = try await Self.activated(text, chip).key
    try PrivateFile.replace(chipKeyPath, with: key.stored)
  }

  private static func activated(_ text: JSONValue?, _ chip: Chip) async throws -> ChipKey {
    guard let bytes = text?.stringValue.flatMap({ Base64.decode($0) }),
      let package = TPMKeyPackage(bytes.span)
    else {
      throw Failure(description: "the provisioning service gives no key that a TPM could take")
    }
    return ChipKey(chip: chip, key: try await chip.activate(package))
  }
}

extension DeviceProvisioner {
  private var path: String { settings.paths.data(of: .keys) + "/provisioning.json" }

  /// The kept answer, if it is one to what the settings ask now.
  private func kept(
    _ service: ProvisioningSettings.Service
  ) -> (hub: String, deviceID: String)? {
    guard let bytes = try? PrivateFile.read(path, limit: 65_536), let json = try? JSON.parse(bytes),
      json["question"]?.stringValue == question(service), let hub = json["hub"]?.stringValue,
      let deviceID = json["device"]?.stringValue, DeviceID.isValid(deviceID)
    else { return nil }
    return (hub, deviceID)
  }

  private func keep(
    _ hub: String,
    _ deviceID: String,
    _ service: ProvisioningSettings.Service
  ) throws(FileFault) {
    let json: JSONValue = [
      "question": .string(question(service)), "hub": .string(hub), "device": .string(deviceID),
    ]
    try PrivateFile.replace(path, with: JSON.bytes(json))
  }

  /// What was asked, without the proof: a new key or certificate asks the same.
  private func question(_ service: ProvisioningSettings.Service) -> String {
    let certificate = service.proof.files?.chain ?? ""
    return [service.endpoint, service.idScope, service.registrationID ?? certificate]
      .joined(separator: " ")
  }
}

extension ProvisioningSettings.Proof {
  /// The files of a certificate and its key, nil for a symmetric key.
  package var files: (chain: String, privateKey: String)? {
    guard case .certificate(let chain, let privateKey) = self else { return nil }
    return (chain, privateKey)
  }
}
