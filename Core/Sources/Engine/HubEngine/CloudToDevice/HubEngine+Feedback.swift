public import HubContract

// Holds live in memory alone: they end with the hub at the latest, and a record that was handed out
// but not deleted comes again. At least once is all that feedback promises.
extension HubEngine {
  /// Hands the oldest records that nobody holds to a consumer; nil if there are none.
  ///
  /// Records past their life are deleted on the way.
  public mutating func takeFeedback(now: Timestamp) throws(HubError) -> FeedbackBatch? {
    endLapsedFeedback(now: now)
    guard heldFeedback.count < cloudToDeviceRules.heldFeedbackBatches else { return nil }
    let held = Set(heldFeedback.values.lazy.flatMap(\.sequences))
    let limit = cloudToDeviceRules.feedbackBatchRecords
    let oldest = now.adding(seconds: -cloudToDeviceRules.feedbackTimeToLiveSeconds)
    var records: [FeedbackRecord] = []
    var dead: [UInt64] = []
    var last: UInt64 = 0
    while records.count < limit {
      let after = last
      let page = try stored { storage throws(StorageFault) in
        try storage.feedback(after: after, limit: limit)
      }
      for record in page where records.count < limit && !held.contains(record.sequence) {
        if record.enqueuedTime <= oldest {
          dead.append(record.sequence)
        } else {
          records.append(record)
        }
      }
      guard page.count == limit, let lastOfPage = page.last else { break }
      last = lastOfPage.sequence
    }
    if !dead.isEmpty {
      let sequences = dead
      try stored { storage throws(StorageFault) in try storage.deleteFeedback(sequences) }
    }
    guard !records.isEmpty else { return nil }
    let token = try mintToken()
    heldFeedback[token] = HeldFeedback(
      sequences: records.map(\.sequence),
      until: now.adding(seconds: cloudToDeviceRules.feedbackLockSeconds)
    )
    return FeedbackBatch(token: token, records: records, enqueuedTime: now)
  }

  /// Deletes records past their life, which nobody may ever ask for.
  ///
  /// - Parameters:
  ///   - now: the time.
  ///   - limit: how many at most, so that a sweep stays short.
  /// - Returns: whether more is due already.
  /// - Throws: only what the storage's faults become.
  public mutating func sweepFeedback(now: Timestamp, limit: Int = 256) throws(HubError) -> Bool {
    let oldest = now.adding(seconds: -cloudToDeviceRules.feedbackTimeToLiveSeconds)
    return try stored { storage throws(StorageFault) in
      // Mostly the first is young, and then all are.
      guard let first = try storage.feedback(after: 0, limit: 1).first,
        first.enqueuedTime <= oldest
      else { return false }
      let dead = try storage.feedback(after: 0, limit: limit).prefix { $0.enqueuedTime <= oldest }
      try storage.deleteFeedback(dead.map(\.sequence))
      return dead.count == limit
    }
  }

  /// The consumer has the batch: its records are gone.
  ///
  /// - Throws: 412002 if the hold is over.
  public mutating func completeFeedback(_ token: LockToken, now: Timestamp) throws(HubError) {
    endLapsedFeedback(now: now)
    guard let batch = heldFeedback.removeValue(forKey: token) else { throw Self.lostFeedback }
    try stored { storage throws(StorageFault) in try storage.deleteFeedback(batch.sequences) }
  }

  /// The consumer gives the batch back.
  ///
  /// - Throws: 412002 if the hold is over.
  public mutating func abandonFeedback(_ token: LockToken, now: Timestamp) throws(HubError) {
    endLapsedFeedback(now: now)
    guard heldFeedback.removeValue(forKey: token) != nil else { throw Self.lostFeedback }
    emit(.feedbackAvailable)
  }

  /// When the first hold ends by itself; then `endLapsedFeedback` says so to waiting consumers.
  public var nextFeedbackDeadline: Timestamp? { heldFeedback.values.lazy.map(\.until).min() }

  /// Takes back the batches whose hold is over.
  public mutating func endLapsedFeedback(now: Timestamp) {
    let count = heldFeedback.count
    heldFeedback = heldFeedback.filter { $0.value.until > now }
    if heldFeedback.count < count { emit(.feedbackAvailable) }
  }

  private static var lostFeedback: HubError {
    HubError(.deviceMessageLockLost, "No feedback is held under this lock; it timed out.")
  }
}
