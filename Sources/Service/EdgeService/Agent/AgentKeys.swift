package import Endpoints

/// What the agent asks of the keys process: who it is, and what takes a key.
package protocol AgentKeys: Sendable {
  /// HMAC-SHA256 of `bytes` with the key of `$edgeAgent`.
  func sign(_ bytes: [UInt8]) async throws -> [UInt8]

  /// Makes `plaintext` unreadable for everybody but this agent.
  func encrypt(_ plaintext: [UInt8], initializationVector: [UInt8]) async throws -> [UInt8]

  /// Undoes `encrypt`.
  func decrypt(_ ciphertext: [UInt8], initializationVector: [UInt8]) async throws -> [UInt8]

  /// The identities of this device's modules.
  func modules() async throws -> [ModuleIdentityRecord]

  /// The identity of a module, which is made if there is none.
  func makeModule(_ moduleID: String) async throws -> ModuleIdentityRecord

  /// Removes the identity of a module.
  func removeModule(_ moduleID: String) async throws

  /// Asks for the device to be provisioned anew: the hub does not accept it.
  func reprovision() async throws
}

/// The keys process, asked over its sockets.
package struct KeysProcess: AgentKeys {
  private let workload: WorkloadClient
  private let identities: IdentityClient
  /// The generation of `$edgeAgent`, which its keys are of.
  private let generationID: String

  package init(workload: WorkloadClient, identities: IdentityClient, generationID: String) {
    (self.workload, self.identities) = (workload, identities)
    self.generationID = generationID
  }

  package func sign(_ bytes: [UInt8]) async throws -> [UInt8] {
    try await workload.sign(bytes, generationID: generationID)
  }

  package func encrypt(
    _ plaintext: [UInt8],
    initializationVector: [UInt8]
  ) async throws -> [UInt8] {
    try await workload.encrypt(
      plaintext,
      vector: initializationVector,
      generationID: generationID
    )
  }

  package func decrypt(
    _ ciphertext: [UInt8],
    initializationVector: [UInt8]
  ) async throws -> [UInt8] {
    try await workload.decrypt(
      ciphertext,
      vector: initializationVector,
      generationID: generationID
    )
  }

  package func modules() async throws -> [ModuleIdentityRecord] { try await identities.list() }

  package func makeModule(_ moduleID: String) async throws -> ModuleIdentityRecord {
    try await identities.put(moduleID, managedBy: ModuleAgent.managedBy)
  }

  package func removeModule(_ moduleID: String) async throws {
    try await identities.delete(moduleID)
  }

  package func reprovision() async throws { try await identities.reprovision() }
}
