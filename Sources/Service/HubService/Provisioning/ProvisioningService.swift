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
  /// The other authorities that do, by their names.
  let authorities: [String: ESTAuthority]
  let hub: HubStore
  let hubName: String
  /// The other hubs, by their host names.
  let linked: [String: LinkedHubClient]
  let client: OutboundClient
  private let skewSeconds: Int64
  let logger: Logger
  let intermediates = KnownIntermediates()
  let provedLeaves = ProvedLeaves()
  /// Counts the changes of the hub's authorities.
  let authorityChanges = Atomic<UInt64>(0)
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
    let outside = try settings.certificateAuthoritiesPath.map {
      try ESTAuthority.read($0, logger: logger)
    }
    authorities = Dictionary(uniqueKeysWithValues: (outside ?? []).map { ($0.name, $0) })
    let client = try OutboundClient(
      authorities: settings.outboundAuthoritiesPath,
      setting: "provisioning.ca"
    )
    do {
      store = try ProvisioningStore(
        path: directory + "/provisioning.sqlite",
        isDurable: !settings.isEphemeral,
        hubs: [own] + others.map(\.hub),
        quotas: settings.quotas,
        issuers: Set(authorities.keys).union([DeviceIssuer.name])
      ) { [host = own.host] name, deviceID in
        guard name == host else { return nil }
        do {
          return .inspected(try hub.identityNow(deviceID).map { PriorIdentity($0) })
        } catch {
          return nil
        }
      }
    } catch {
      Task { await client.close() }
      ESTAuthority.close(authorities.values)
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
      takeSteps(of: id, from: nil)
    }
  }

  func close() {
    store.close()
    // Nobody awaits it: what is under way is asked again at the next start.
    let client = client
    Task { await client.close() }
    ESTAuthority.close(authorities.values)
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
      let action = begun.isNew ? try engine.nextAction(begun.operation.id) : nil
      return (operation: begun.operation, isNew: begun.isNew, action: action)
    }
    if begun.isNew {
      logger.info("registration", metadata: ["registration": "\(begun.operation.registrationID)"])
    }
    if let action = begun.action { takeSteps(of: begun.operation.id, from: action) }
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
    let keys = try store.readNow { view throws(HubError) in try view.chipKeys(id, request) }
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
    return try store.readNow { view throws(HubError) in
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
    return try store.readNow { view throws(HubError) in
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
    try store.readNow { view throws(HubError) in
      _ = try view.judge(id, credential, circumstances(now, nil))
    }
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
}
