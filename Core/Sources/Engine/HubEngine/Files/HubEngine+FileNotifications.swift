public import HubContract

// Holds live in memory alone, like those of feedback: a notification that was handed out and not
// completed comes again. How often it was handed out is stored.
extension HubEngine where Storage: FileStorage {
  /// Puts the news of a file into the queue, if services are told at all.
  mutating func notify(
    of blob: BlobRecord,
    from deviceID: String,
    now: Timestamp
  ) throws(HubError) {
    guard fileRules.isNotifying else { return }
    let notification = FileNotification(
      deviceID: deviceID,
      key: blob.key,
      byteCount: blob.byteCount,
      lastUpdatedTime: blob.modifiedTime,
      enqueuedTime: now
    )
    _ = try stored { storage throws(StorageFault) in try storage.append(notification) }
    emit(.fileNotificationAvailable)
  }

  /// Hands the oldest notification that nobody holds to a consumer; nil if there is none.
  ///
  /// Those past their life, or delivered too often, are deleted on the way.
  public mutating func takeFileNotification(
    now: Timestamp
  ) throws(HubError) -> HeldFileNotification? {
    endLapsedFileNotifications(now: now)
    guard heldFileNotifications.count < fileRules.heldNotifications else { return nil }
    let held = Set(heldFileNotifications.values.lazy.flatMap(\.sequences))
    let rules = fileRules
    let oldest = now.adding(seconds: -rules.notificationTimeToLiveSeconds)
    let taken = try stored { storage throws(StorageFault) -> FileNotification? in
      var last: UInt64 = 0
      while true {
        let page = try storage.fileNotifications(after: last, limit: 64)
        for var notification in page where !held.contains(notification.sequence) {
          guard notification.enqueuedTime > oldest,
            notification.deliveryCount < rules.notificationMaximumDeliveryCount
          else {
            try storage.deleteFileNotification(notification.sequence)
            continue
          }
          notification.deliveryCount += 1
          try storage.setDeliveryCount(
            notification.deliveryCount,
            ofFileNotification: notification.sequence
          )
          return notification
        }
        guard page.count == 64, let end = page.last else { return nil }
        last = end.sequence
      }
    }
    guard let taken else { return nil }
    let token = try mintToken()
    heldFileNotifications[token] = HeldFeedback(
      sequences: [taken.sequence],
      until: now.adding(seconds: rules.notificationLockSeconds)
    )
    return HeldFileNotification(token: token, notification: taken)
  }

  /// The consumer has the notification: it is gone.
  ///
  /// - Throws: 412002 if the hold is over.
  public mutating func completeFileNotification(
    _ token: LockToken,
    now: Timestamp
  ) throws(HubError) {
    endLapsedFileNotifications(now: now)
    guard let held = heldFileNotifications.removeValue(forKey: token) else { throw Self.lost }
    try stored { storage throws(StorageFault) in
      for sequence in held.sequences { try storage.deleteFileNotification(sequence) }
    }
  }

  /// The consumer gives the notification back.
  ///
  /// - Throws: 412002 if the hold is over.
  public mutating func abandonFileNotification(
    _ token: LockToken,
    now: Timestamp
  ) throws(HubError) {
    endLapsedFileNotifications(now: now)
    guard heldFileNotifications.removeValue(forKey: token) != nil else { throw Self.lost }
    emit(.fileNotificationAvailable)
  }

  /// Takes back the notifications whose hold is over.
  public mutating func endLapsedFileNotifications(now: Timestamp) {
    let count = heldFileNotifications.count
    heldFileNotifications = heldFileNotifications.filter { $0.value.until > now }
    if heldFileNotifications.count < count { emit(.fileNotificationAvailable) }
  }

  /// Deletes notifications past their life; answers whether more are due already.
  mutating func sweepFileNotifications(now: Timestamp, limit: Int) throws(HubError) -> Bool {
    let oldest = now.adding(seconds: -fileRules.notificationTimeToLiveSeconds)
    return try stored { storage throws(StorageFault) in
      let dead = try storage.fileNotifications(after: 0, limit: limit)
        .prefix { $0.enqueuedTime <= oldest }
      for notification in dead { try storage.deleteFileNotification(notification.sequence) }
      return dead.count == limit
    }
  }

  private static var lost: HubError {
    HubError(.deviceMessageLockLost, "No notification is held under this lock; it timed out.")
  }
}
