public import HubContract
public import HubEngine

/// The provisioning service's rules: who may register, and which one hub each device gets.
///
/// Commands take what a client asks and the time, change the storage, and answer or refuse; they
/// check before they write. The driver runs each in a write transaction, commits it, and then takes
/// the steps of the operations that it began (`nextAction`); their results come back by `record`.
/// It must undo the transaction when `fault` is set after a command.
///
/// What it guarantees, crashes at any point included: a device is enabled at one hub at most, and
/// an operation's answer, once there, never changes.
public struct ProvisioningEngine<Storage: ProvisioningStorage>: StorageRules {
  /// Where everything is kept.
  public var storage: Storage
  /// How the service is set up.
  public let rules: ProvisioningRules
  /// The storage's failure in this transaction, which then must be undone.
  public package(set) var fault: StorageFault?

  let readCertificate: CertificateReading
  let inspectNow: ImmediateInspection
  package let entropy: (Int) -> [UInt8]

  /// Creates the rules over `storage`.
  ///
  /// - Parameters:
  ///   - storage: where everything is kept.
  ///   - rules: how the service is set up.
  ///   - readCertificate: reads the certificates of enrollments.
  ///   - inspectNow: inspects hubs within the transaction, for the sake of one transaction less.
  ///   - entropy: answers that many random bytes, fit for keys.
  public init(
    storage: Storage,
    rules: ProvisioningRules,
    readCertificate: @escaping CertificateReading,
    inspectNow: @escaping ImmediateInspection = { _, _ in nil },
    entropy: @escaping (Int) -> [UInt8]
  ) {
    self.storage = storage
    self.rules = rules
    self.readCertificate = readCertificate
    self.inspectNow = inspectNow
    self.entropy = entropy
  }

  /// What can be read, as of the commands so far.
  public var view: ProvisioningView<Storage> { ProvisioningView(storage: storage, rules: rules) }

  /// Forgets the fault of a transaction that was undone.
  public mutating func transactionUndone() { fault = nil }

  /// `count` random bytes.
  func random(_ count: Int) -> [UInt8] { entropy(count) }

  /// The next ETag: one counter for everything, so that none is ever given twice.
  mutating func nextETag() throws(HubError) -> UInt64 {
    try stored { storage throws(StorageFault) in
      let next = try storage.lastETag() &+ 1
      try storage.setLastETag(next)
      return next
    }
  }
}
