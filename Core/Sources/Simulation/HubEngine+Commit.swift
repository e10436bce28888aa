internal import HubEngine

extension HubEngine where Storage == SimHubStorage {
  /// Commits the transaction, or undoes it if the storage failed.
  ///
  /// - Returns: what must be done now that it is durable; nil if it was undone.
  mutating func commit() -> [HubEffect]? {
    do throws(StorageFault) {
      if let fault { throw fault }
      try storage.commit()
    } catch {
      storage.rollback()
      transactionUndone()
      return nil
    }
    return takeEffects()
  }
}
