public import HubContract

/// How long a taker holds the messages it was given.
public enum CloudToDeviceHold: Equatable, Sendable {
  /// As long as its connection lives (MQTT).
  case connection
  /// For a time, `CloudToDeviceRules.lockSeconds` unless the taker asks for another (HTTP, AMQP).
  case timed
}

// A message is available, held (delivered under a lock), or gone. Completing, rejecting, expiring
// and purging end it; abandoning, a lapsed lock, a lost connection and a restart make a held message
// available again, or end it once it was delivered too often. Feedback is written in the same
// transaction in which a message ends.
extension HubEngine {
  /// Messages that one look at the queue reads.
  private static var page: Int { 64 }

  /// Queues a message (contract §3.5).
  ///
  /// - Returns: its sequence, rising in the order of the queue.
  /// - Throws: 400003 for a module, 404001 for a device that is unknown or disabled, 413001, 403004.
  public mutating func enqueue(
    _ request: CloudToDeviceRequest,
    now: Timestamp
  ) throws(HubError) -> UInt64 {
    guard request.recipient.moduleID == nil else {
      throw HubError(.invalidOperation, "Modules get no cloud-to-device messages.")
    }
    let size = request.body.count + request.propertyByteCount
    guard size <= quotas.cloudToDeviceMessageBytes else {
      throw HubError(
        .messageTooLarge,
        "The message has \(size) bytes, more than \(quotas.cloudToDeviceMessageBytes)."
      )
    }
    let deviceID = request.recipient.deviceID
    let (device, count) = try stored { storage throws(StorageFault) in
      (try storage.device(deviceID), try storage.cloudToDeviceCount(of: deviceID))
    }
    guard let device, device.status == .enabled else {
      throw HubError(.deviceNotFound, "There is no device \(deviceID), or it is disabled.")
    }
    guard count < quotas.cloudToDeviceQueueDepth else {
      throw HubError(
        .deviceMaximumQueueDepthExceeded,
        "\(count) messages wait for device \(deviceID) already, which is the most."
      )
    }
    let message = CloudToDeviceMessage(
      deviceID: deviceID,
      messageID: request.messageID,
      acknowledgement: request.acknowledgement,
      enqueuedTime: now,
      expiryTime: request.expiryTime
        ?? now.adding(seconds: cloudToDeviceRules.defaultTimeToLiveSeconds),
      properties: request.properties,
      body: request.body
    )
    let sequence = try stored { storage throws(StorageFault) in try storage.append(message) }
    emit(.cloudToDeviceAvailable(deviceID: deviceID))
    return sequence
  }

  /// Hands the first available messages of a device to a taker, who then holds them.
  ///
  /// Nothing overtakes what another connection of the device holds, and there is one connection of an
  /// identity (contract §3.2): a newer one takes over what an older one holds, and an older one that
  /// asks late gets nothing behind what a newer one holds. So the order is kept even where the
  /// release of a lost connection is late or never comes.
  ///
  /// - Parameters:
  ///   - deviceID: the device.
  ///   - limit: how many at most; the window less what the taker holds already.
  ///   - holder: the taker's connection.
  ///   - hold: how long it holds them.
  ///   - lockSeconds: what the taker of a timed hold asks for, within
  ///     `CloudToDeviceRules.lockSecondsRange`; nil for the rule's.
  ///   - now: the time.
  /// - Returns: the messages in the order of the queue, each with its lock and delivery count.
  /// - Throws: 400004 for a time out of range.
  public mutating func takeCloudToDevice(
    of deviceID: String,
    limit: Int,
    holder: ConnectionID,
    hold: CloudToDeviceHold,
    lockSeconds: Int64? = nil,
    now: Timestamp
  ) throws(HubError) -> [CloudToDeviceMessage] {
    let range = CloudToDeviceRules.lockSecondsRange
    guard lockSeconds.map(range.contains) ?? true else {
      throw HubError(
        .argumentInvalid,
        "A message is held for \(range.lowerBound) to \(range.upperBound) seconds."
      )
    }
    guard limit > 0 else { return [] }
    var taken: [CloudToDeviceMessage] = []
    let seconds = lockSeconds ?? cloudToDeviceRules.lockSeconds
    let until = hold == .timed ? now.adding(seconds: seconds) : nil
    let depth = quotas.cloudToDeviceQueueDepth
    let queue = try stored { storage throws(StorageFault) in
      try storage.cloudToDevice(.queued(deviceID: deviceID), limit: depth)
    }
    for var message in queue where taken.count < limit {
      if let lock = message.lock {
        guard hold == .connection, lock.until == nil, lock.holder != holder else { continue }
        guard lock.holder.rawValue < holder.rawValue else { break }
      }
      if let status = endIfGivenBack(message, now: now) {
        try end(message, as: status, now: now)
        continue
      }
      message.deliveryCount += 1
      message.lock = CloudToDeviceMessage.Lock(
        token: try mintToken(),
        holder: holder,
        until: until
      )
      try setDelivery(of: message)
      taken.append(message)
    }
    return taken
  }

  /// The device has the message: it is gone.
  ///
  /// - Throws: 412002 if the lock is over.
  public mutating func completeCloudToDevice(
    of deviceID: String,
    token: LockToken,
    now: Timestamp
  ) throws(HubError) {
    try end(try delivered(deviceID, token), as: .success, now: now)
  }

  /// The device does not want the message: it is gone.
  ///
  /// - Throws: 412002 if the lock is over.
  public mutating func rejectCloudToDevice(
    of deviceID: String,
    token: LockToken,
    now: Timestamp
  ) throws(HubError) {
    try end(try delivered(deviceID, token), as: .rejected, now: now)
  }

  /// The device gives the message back, to get it again.
  ///
  /// - Throws: 412002 if the lock is over.
  public mutating func abandonCloudToDevice(
    of deviceID: String,
    token: LockToken,
    now: Timestamp
  ) throws(HubError) {
    try giveBack(try delivered(deviceID, token), now: now)
  }

  /// A connection is gone: what it holds becomes available.
  public mutating func releaseCloudToDevice(
    of deviceID: String,
    holder: ConnectionID,
    now: Timestamp
  ) throws(HubError) {
    try giveBackAll(.held(deviceID: deviceID, holder: holder), now: now)
  }

  /// The hub has started: no holder of before is there, what they hold becomes available.
  public mutating func releaseAllCloudToDevice(now: Timestamp) throws(HubError) {
    try giveBackAll(.allHeld, now: now)
  }

  /// Ends what has expired and takes back what lapsed locks hold.
  ///
  /// - Parameters:
  ///   - now: the time.
  ///   - limit: how many messages of either kind at most, so that a sweep stays short.
  /// - Returns: whether more is due already.
  /// - Throws: only what the storage's faults become.
  public mutating func sweepCloudToDevice(
    now: Timestamp,
    limit: Int = 256
  ) throws(HubError) -> Bool {
    let (expired, lapsed) = try stored { storage throws(StorageFault) in
      (
        try storage.cloudToDevice(.expired(now), limit: limit),
        try storage.cloudToDevice(.lapsed(now), limit: limit)
      )
    }
    for message in expired { try end(message, as: .expired, now: now) }
    for message in lapsed { try giveBack(message, now: now) }
    return expired.count == limit || lapsed.count == limit
  }

  /// Empties a device's queue (contract §7.10).
  ///
  /// - Returns: how many messages were in it.
  /// - Throws: 404001.
  public mutating func purgeCloudToDevice(
    of deviceID: String,
    now: Timestamp
  ) throws(HubError) -> Int {
    guard try stored({ storage throws(StorageFault) in try storage.device(deviceID) }) != nil
    else { throw .noDevice(deviceID) }
    var purged = 0
    while true {
      let page = try stored { storage throws(StorageFault) in
        try storage.cloudToDevice(.queued(deviceID: deviceID), limit: Self.page)
      }
      for message in page { try end(message, as: .purged, now: now) }
      purged += page.count
      if page.count < Self.page { return purged }
    }
  }

  private mutating func delivered(
    _ deviceID: String,
    _ token: LockToken
  ) throws(HubError) -> CloudToDeviceMessage {
    let found = try stored { storage throws(StorageFault) in
      try storage.cloudToDevice(.delivered(deviceID: deviceID, token: token), limit: 1)
    }
    guard let message = found.first else {
      throw HubError(
        .deviceMessageLockLost,
        "No message is held under this lock; it timed out, or the message is gone."
      )
    }
    return message
  }

  private mutating func giveBackAll(
    _ filter: CloudToDeviceFilter,
    now: Timestamp
  ) throws(HubError) {
    while true {
      let page = try stored { storage throws(StorageFault) in
        try storage.cloudToDevice(filter, limit: Self.page)
      }
      for message in page { try giveBack(message, now: now) }
      if page.count < Self.page { return }
    }
  }

  private mutating func giveBack(
    _ message: CloudToDeviceMessage,
    now: Timestamp
  ) throws(HubError) {
    if let status = endIfGivenBack(message, now: now) {
      return try end(message, as: status, now: now)
    }
    var available = message
    available.lock = nil
    try setDelivery(of: available)
    let effect = HubEffect.cloudToDeviceAvailable(deviceID: message.deviceID)
    if !isLast(effect) { emit(effect) }
  }

  /// How a message ends that is not held any more, nil if it becomes available.
  private func endIfGivenBack(
    _ message: CloudToDeviceMessage,
    now: Timestamp
  ) -> FeedbackRecord.Status? {
    if message.deliveryCount >= cloudToDeviceRules.maximumDeliveryCount {
      return .deliveryCountExceeded
    }
    return message.expiryTime <= now ? .expired : nil
  }

  private mutating func setDelivery(of message: CloudToDeviceMessage) throws(HubError) {
    try stored { storage throws(StorageFault) in
      try storage.setDelivery(
        count: message.deliveryCount,
        lock: message.lock,
        deviceID: message.deviceID,
        sequence: message.sequence
      )
    }
  }

  /// Removes a message and writes feedback if its sender wants to hear of such an end.
  private mutating func end(
    _ message: CloudToDeviceMessage,
    as status: FeedbackRecord.Status,
    now: Timestamp
  ) throws(HubError) {
    let isWanted =
      switch message.acknowledgement {
      case .none: false
      case .positive: status == .success
      case .negative: status != .success
      case .full: true
      }
    try stored { storage throws(StorageFault) in
      try storage.deleteCloudToDevice(deviceID: message.deviceID, sequence: message.sequence)
      guard isWanted else { return }
      let device = try storage.device(message.deviceID)
      _ = try storage.append(
        FeedbackRecord(
          originalMessageID: message.messageID ?? "",
          enqueuedTime: now,
          status: status,
          deviceID: message.deviceID,
          deviceGenerationID: device?.generationID ?? ""
        )
      )
    }
    if isWanted, !isLast(.feedbackAvailable) { emit(.feedbackAvailable) }
  }
}

extension HubView {
  /// When `sweepCloudToDevice` has something to do next; nil: nothing waits or is held for a time.
  public func nextCloudToDeviceDeadline() throws(HubError) -> Timestamp? {
    try stored { storage throws(StorageFault) in try storage.nextCloudToDeviceDeadline() }
  }

  /// Messages in a device's queue, the held ones included.
  public func cloudToDeviceCount(of deviceID: String) throws(HubError) -> Int {
    try stored { storage throws(StorageFault) in try storage.cloudToDeviceCount(of: deviceID) }
  }
}
