public import HubContract

/// Encrypts to a chip: only the chip with both keys reads the secret (TPM2_MakeCredential).
public protocol TPMCredentialMaker {
  /// The blob for the chip; nil if its keys are none.
  func wrap(
    _ secret: [UInt8],
    endorsementKey: [UInt8],
    storageRootKey: [UInt8]
  ) -> [UInt8]?
}

/// The challenges that chips have been given (contract §6.5): a key that only the chip can read.
///
/// Kept in memory alone: a device whose challenge is gone is given another one. Each challenge
/// registers once; afterwards it only lets its device ask for the operation's end.
public struct TPMChallenges: Sendable {
  /// Challenges at most; the oldest goes when another one comes.
  public static let limit = 10_000
  /// How long a challenge counts, in seconds.
  public static let lifetimeSeconds: Int64 = 600

  private struct Entry {
    var key: SymmetricKey
    var expiry: Timestamp
    var isUsed = false
  }

  private var entries: [String: Entry] = [:]

  /// Creates an empty table.
  public init() {}

  /// Makes the challenge of a registration.
  ///
  /// One that was not yet used stays: whoever asks again must not shut out who is about to solve it.
  ///
  /// - Returns: the blob for the chip; nil if its keys are none.
  public mutating func challenge(
    _ registrationID: String,
    endorsementKey: [UInt8],
    storageRootKey: [UInt8],
    nonce: [UInt8],
    maker: any TPMCredentialMaker,
    now: Timestamp
  ) -> [UInt8]? {
    let pending = registrationKey(registrationID, now: now)
    guard let key = pending ?? SymmetricKey(bytes: nonce),
      let blob = maker.wrap(
        key.bytes,
        endorsementKey: endorsementKey,
        storageRootKey: storageRootKey
      )
    else { return nil }
    if entries.count >= Self.limit, entries[registrationID] == nil {
      let oldest = entries.min { $0.value.expiry < $1.value.expiry }
      if let oldest { entries[oldest.key] = nil }
    }
    guard pending == nil else { return blob }
    let expiry = now.adding(seconds: Self.lifetimeSeconds)
    entries[registrationID] = Entry(key: key, expiry: expiry)
    return blob
  }

  /// The key with which a registration may be begun; nil once it was.
  public func registrationKey(_ registrationID: String, now: Timestamp) -> SymmetricKey? {
    guard let entry = entries[registrationID], !entry.isUsed, now < entry.expiry else {
      return nil
    }
    return entry.key
  }

  /// The key with which the end of an operation may be asked for.
  public func statusKey(_ registrationID: String, now: Timestamp) -> SymmetricKey? {
    guard let entry = entries[registrationID], now < entry.expiry else { return nil }
    return entry.key
  }

  /// The challenge has begun a registration.
  public mutating func used(_ registrationID: String) { entries[registrationID]?.isUsed = true }
}
