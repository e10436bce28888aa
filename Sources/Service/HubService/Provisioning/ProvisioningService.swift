import ByteIO
import Endpoints
import HubContract
import HubEngine
import JSONTree
import Logging
import Platform
import ProvisioningEngine
import Synchronization

/// The provisioning service: devices register here and learn their hub (contract §6).
///
/// A registration is an operation of the engine, whose steps are taken here, one at a time for each
/// operation, and again from where it stood after a crash.
final class ProvisioningService: Sendable {
  /// The policy of those who manage enrollments.
  static let ownerPolicy = "provisioningserviceowner"

  let store: ProvisioningStore
  /// Issues the certificates that devices ask for.
  let issuer: DeviceIssuer
  private let hub: HubStore
  private let hubName: String
  /// The other hubs, by their host names.
  private let linked: [String: LinkedHubClient]
  private let client: OutboundClient
  private let skewSeconds: Int64
  private let logger: Logger
  private let intermediates = KnownIntermediates()
  private let challenges = Mutex(TPMChallenges())

  /// Opens the database in `directory`; devices are assigned to `hub` and those that are linked.
  init(settings: HubSettings, directory: String, hub: HubStore, logger: Logger) throws {
    let name = settings.names.first ?? "localhost"
    var own = LinkedHub(host: name.lowercased(), sharesAuthorities: true)
    var others: [LinkedHubAccess] = []
    if let path = settings.linkedHubsPath {
      (own, others) = try LinkedHubAccess.read(path, own: own)
    }
    issuer = try DeviceIssuer(
      directory: directory,
      hubName: name,
      lifetimeSeconds: Int64(settings.certificateHours) * 3600
    )
    let client = try OutboundClient(
      authorities: settings.outboundAuthoritiesPath,
      setting: "provisioning.ca"
    )
    do {
      store = try ProvisioningStore(
        path: directory + "/provisioning.sqlite",
        isDurable: !settings.isEphemeral,
        hubs: [own] + others.map(\.hub),
        quotas: settings.quotas
      )
    } catch {
      Task { await client.close() }
      throw error
    }
    self.client = client
    linked = Dictionary(
      uniqueKeysWithValues: others.map {
        ($0.hub.host, LinkedHubClient(access: $0, client: client, logger: logger))
      }
    )
    self.hub = hub
    hubName = own.host
    skewSeconds = Int64(settings.skewSeconds)
    self.logger = logger
  }

  /// The ID scope that devices name.
  var scope: String { store.scope }

  /// Makes the policy that is missing, and goes on with what a crash interrupted.
  func recover() async throws(HubError) {
    _ = try await hub.write { engine throws(HubError) in
      guard try engine.view.policy(Self.ownerPolicy) == nil else { return }
      _ = try engine.putPolicy(Self.ownerPolicy, rights: [.enrollmentRead, .enrollmentWrite])
    }
    for id in try await store.read({ view throws(HubError) in try view.runningOperations() }) {
      takeSteps(of: id)
    }
  }

  func close() {
    store.close()
    // Nobody awaits it: what is under way is asked again at the next start.
    let client = client
    Task { await client.close() }
  }

  /// Forgets operations that are long over.
  func sweep(now: Timestamp) async throws(HubError) {
    while try await !store.write({ engine throws(HubError) in
      try engine.sweepOperations(now: now)
    }) {}
  }

  /// Begins a registration.
  ///
  /// - Throws: What the rules refuse; 401002 for whatever is wrong with the credential.
  func register(
    _ id: String,
    _ request: RegistrationRequest,
    _ credential: PresentedCredential,
    now: Timestamp
  ) async throws(HubError) -> OperationRecord {
    let begun = try await store.write { [self] engine throws(HubError) in
      // Within the one transaction at a time, so that a challenge registers once.
      let name = RegistrationID.normalized(id) ?? id
      let challenge = challenges.withLock { $0.registrationKey(name, now: now) }
      let begun = try engine.register(
        id,
        request,
        credential,
        circumstances(now, challenge),
        tpm: ChipCredentialMaker()
      )
      if challenge != nil { challenges.withLock { $0.used(name) } }
      return begun
    }
    if begun.isNew {
      logger.info("registration", metadata: ["registration": "\(begun.operation.registrationID)"])
      takeSteps(of: begun.operation.id)
    }
    return begun.operation
  }

  /// The challenge for a device that proves itself by a chip and has not solved one.
  ///
  /// - Throws: 401002.
  func challenge(
    _ id: String,
    _ request: RegistrationRequest,
    now: Timestamp
  ) async throws(HubError) -> [UInt8] {
    let keys = try await store.read { view throws(HubError) in try view.chipKeys(id, request) }
    let blob = challenges.withLock {
      $0.challenge(
        RegistrationID.normalized(id) ?? id,
        endorsementKey: keys.endorsementKey,
        storageRootKey: keys.storageRootKey,
        nonce: Entropy.bytes(32),
        maker: ChipCredentialMaker(),
        now: now
      )
    }
    guard let blob else {
      throw HubError(.invalidStorageRootKey, "The chip's keys cannot be encrypted to.")
    }
    return blob
  }

  /// The operation called `operationID`, for the device that began it.
  ///
  /// - Throws: 401002, 404203.
  func operation(
    _ operationID: String,
    of id: String,
    _ credential: PresentedCredential,
    now: Timestamp
  ) async throws(HubError) -> OperationRecord {
    let challenge = statusKey(id, now)
    return try await store.read { [self] view throws(HubError) in
      _ = try view.judge(id, credential, circumstances(now, challenge))
      return try view.operation(operationID, of: RegistrationID.normalized(id) ?? id)
    }
  }

  /// The state of a registration, for its device.
  ///
  /// - Throws: 401002, 404202.
  func registration(
    of id: String,
    _ credential: PresentedCredential,
    now: Timestamp
  ) async throws(HubError) -> RegistrationState {
    let challenge = statusKey(id, now)
    return try await store.read { [self] view throws(HubError) in
      _ = try view.judge(id, credential, circumstances(now, challenge))
      return try view.registration(RegistrationID.normalized(id) ?? id)
    }
  }

  /// Whether the device may register, for CONNECT.
  ///
  /// - Throws: 401002.
  func admit(
    _ id: String,
    _ credential: PresentedCredential,
    now: Timestamp
  ) async throws(HubError) {
    try await store.read { [self] view throws(HubError) in
      _ = try view.judge(id, credential, circumstances(now, nil))
    }
  }

  /// Reads what a device presents: a token, or else its certificate with all that vouches for it.
  ///
  /// - Throws: 401002 for a token that is none.
  func credential(
    token: (some Collection<UInt8>)?,
    chain: PresentedChain,
    now: Timestamp
  ) async throws(HubError) -> PresentedCredential {
    if let token, !token.isEmpty {
      do throws(SASFault) {
        return .token(try SharedAccessSignature(token))
      } catch {
        throw HubError(.provisioningUnauthorized, "Unauthorized")
      }
    }
    let presented = chain.certificates.compactMap { PresentedCertificate($0) }
    guard let leaf = presented.first, let summary = CertificateSummary(leaf) else { return .none }
    var signers: [PresentedLeaf.Signer] = []
    let between = chain.isResumed ? intermediates.all : Array(presented.dropFirst())
    for anchor in try await anchors(called: Set([leaf.issuer] + between.map(\.issuer))) {
      guard let summary = CertificateSummary(anchor.certificate),
        let path = await leaf.path(
          among: [anchor.certificate],
          through: between,
          at: now.seconds
        )
      else { continue }
      intermediates.remember(path.intermediates)
      signers.append(
        PresentedLeaf.Signer(
          certificate: summary,
          authorityName: anchor.name,
          isIssuer: anchor.certificate.der == issuer.certificate.der,
          distance: path.intermediates.count + 1
        )
      )
    }
    return .certificate(
      PresentedLeaf(certificate: summary, commonName: leaf.commonName, signers: signers)
    )
  }

  /// The certificates of groups with one of these subjects, and the verified authorities of the hub
  /// with their names.
  ///
  /// Most have nothing to do with this device: names are cheaper than signatures.
  private func anchors(
    called subjects: Set<String>
  ) async throws(HubError) -> [(
    certificate: PresentedCertificate, name: String?
  )] {
    let groups = try await store.read { view throws(HubError) in
      try view.signingCertificates(subjects: subjects).map(\.der)
    }
    let authorities = try await hub.read { view throws(HubError) in
      try view.certificateAuthorities().filter { $0.isVerified && subjects.contains($0.subject) }
        .map { ($0.name, $0.certificate) }
    }
    var anchors: [(certificate: PresentedCertificate, name: String?)] = []
    if subjects.contains(issuer.certificate.subject) {
      anchors.append((issuer.certificate, DeviceIssuer.name))
    }
    for der in groups {
      if let certificate = PresentedCertificate(der) { anchors.append((certificate, nil)) }
    }
    for (name, der) in authorities {
      if let certificate = PresentedCertificate(der) { anchors.append((certificate, name)) }
    }
    return anchors
  }

  private func circumstances(
    _ now: Timestamp,
    _ challenge: SymmetricKey?
  ) -> ProvisioningStore.View.Circumstances {
    .init(
      now: now,
      skewSeconds: skewSeconds,
      challenge: challenge,
      hmacSHA256: Hashing.hmacSHA256
    )
  }

  private func statusKey(_ id: String, _ now: Timestamp) -> SymmetricKey? {
    challenges.withLock { $0.statusKey(RegistrationID.normalized(id) ?? id, now: now) }
  }

  // MARK: Steps

  /// Takes the steps of an operation until it has its answer.
  ///
  /// Nobody awaits the task: what is left when the process ends goes on at the next start.
  private func takeSteps(of id: String) {
    Task {
      var pause = Duration.milliseconds(100)
      while true {
        do throws(HubError) {
          let action = try await store.read { view throws(HubError) in try view.nextAction(id) }
          guard let action else { return }
          let result = await perform(action.step)
          let now = Timestamp(ticks: SystemClock.wallTicks())
          _ = try await store.write { engine throws(HubError) in
            try engine.record(result, for: id, attempt: action.attempt, now: now)
          }
          guard case .unavailable = result else {
            pause = .milliseconds(100)
            continue
          }
        } catch {
          logger.error("provisioning step failed", metadata: ["error": "\(error)"])
          guard error.code == .serverError || error.code == .serviceUnavailable else { return }
        }
        do {
          try await Pause.sleep(for: pause)
        } catch {
          return
        }
        pause = min(pause * 2, .seconds(30))
      }
    }
  }

  private func perform(_ step: ProvisioningAction.Step) async -> ProvisioningResult {
    switch step {
    case .allocate(let webhook, let body):
      return await AllocationWebhook(client: client).ask(webhook, body: body)
    case .issue(let request, _, let registrationID):
      let now = Timestamp(ticks: SystemClock.wallTicks())
      let result = issuer.issue(request, to: registrationID, now: now)
      if case .issued(let certificate) = result {
        logger.info(
          "certificate issued",
          metadata: [
            "registration": "\(registrationID)", "thumbprint": "\(certificate.thumbprint.hex)",
          ]
        )
      }
      return result
    case .inspect(let name, _), .detach(let name, _), .install(let name, _), .remove(let name, _),
      .withdraw(let name, _, _), .reattach(let name, _):
      if let other = linked[name] { return await other.perform(step) }
      // A hub that is linked no more has nothing that could be waited for.
      guard name == hubName else {
        switch step {
        case .inspect: return .inspected(nil)
        case .detach: return .detached(nil)
        case .install:
          return .refused(HubError(.argumentInvalid, "The hub is no longer linked."))
        case .allocate, .issue, .remove, .withdraw, .reattach: return .done
        }
      }
      return await answer { engine, now throws(HubError) in
        try engine.perform(step, now: now)
      }
    }
  }

  private func answer(
    _ command:
      @escaping @Sendable (
        inout HubStore.Engine, Timestamp
      ) throws(HubError) -> ProvisioningResult
  ) async -> ProvisioningResult {
    let now = Timestamp(ticks: SystemClock.wallTicks())
    do throws(HubError) {
      return try await hub.write { engine throws(HubError) in try command(&engine, now) }
    } catch {
      return error.code.httpStatus >= 500 ? .unavailable : .refused(error)
    }
  }
}
