package import HubContract

/// Rules whose commands read and write a storage within a transaction.
package protocol StorageRules<Storage> {
  associatedtype Storage
  var storage: Storage { get set }
  /// The storage's failure in this transaction, which then must be undone.
  var fault: StorageFault? { get set }
  /// Answers that many random bytes, fit for keys.
  var entropy: (Int) -> [UInt8] { get }
}

extension StorageRules {
  /// Runs `access` on the storage and turns its fault into a refusal that also sets `fault`.
  package mutating func stored<Result>(
    _ access: (inout Storage) throws(StorageFault) -> Result
  ) throws(HubError) -> Result {
    do {
      return try access(&storage)
    } catch {
      fault = error
      throw HubError(error)
    }
  }

  /// A new key of random bytes: 32 for identities and policies (contract §2.1).
  package func mintKey(byteCount: Int = 32) throws(HubError) -> SymmetricKey {
    guard let key = SymmetricKey(bytes: entropy(byteCount)) else {
      throw HubError(.serverError, "The source of randomness did not answer \(byteCount) bytes.")
    }
    return key
  }
}

/// Reads over one consistent view of a storage.
package protocol StorageView<Storage> {
  associatedtype Storage
  var storage: Storage { get }
}

extension StorageView {
  /// Reads the storage and turns its fault into a refusal.
  package func stored<Result>(
    _ read: (borrowing Storage) throws(StorageFault) -> Result
  ) throws(HubError) -> Result {
    do {
      return try read(storage)
    } catch {
      throw HubError(error)
    }
  }
}
