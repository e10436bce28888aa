import HubContract
public import MessageLog

extension EdgeStore {
  /// What a batch would bring to one queue.
  private struct Tally {
    var byteCount = 0
    var recordCount = 0
    /// Whether every record lets older ones give way.
    var dropsOldest = true
  }

  /// Whether there is room for all of `batch`, if need be after older messages gave way.
  func hasRoom(for batch: LogBatch, _ now: EdgeTime) -> Bool {
    let isScarce = freeByteCount < scarceByteCount
    guard isScarce || maxSizeBytes != nil else { return true }
    let used = usedByteCount
    // Mostly there is plenty, however the records spread.
    let most =
      UInt64(batch.byteCount + batch.recordCount * StoredHeader.byteCount)
      &* UInt64(queues.count)
    let limit = maxSizeBytes ?? .max
    guard isScarce || used + most > limit else { return true }
    let tallies = tally(batch)
    if isScarce, !hasDisk(for: tallies, now) { return false }
    let need = tallies.reduce(0) { $0 + UInt64($1.byteCount) }
    guard used + need > limit else { return true }
    return makeRoom(used + need - limit, for: tallies, now)
  }

  private func tally(_ batch: LogBatch) -> [Tally] {
    var tallies = Array(repeating: Tally(), count: queues.count)
    batch.forEachRecord { record in
      let bytes = batch.storage.extracting(record.payloadRange)
      guard let event = try? EventView(bytes) else { return }
      var start = event.enrichmentRange.lowerBound
      while start < event.enrichmentRange.upperBound,
        let delivery = StoreDelivery(bytes, at: start)
      {
        start += StoreDelivery.byteCount
        guard queue(delivery.endpoint) != nil else { continue }
        let index = Int(delivery.endpoint)
        tallies[index].byteCount += LogBatch.frameByteCount + StoredHeader.byteCount + bytes.count
        tallies[index].recordCount += 1
        tallies[index].dropsOldest = tallies[index].dropsOldest && delivery.dropsOldest
      }
    }
    return tallies
  }

  /// Lets `byteCount` bytes of older messages give way, in the queues whose newcomers ask for it.
  private func makeRoom(_ byteCount: UInt64, for tallies: [Tally], _ now: EdgeTime) -> Bool {
    var lacking = byteCount
    for case let queue? in queues {
      let tally = tallies[Int(queue.number)]
      guard lacking > 0, tally.recordCount > 0, tally.dropsOldest else { continue }
      let before = queue.liveBytes
      // Some more at once, so that it is not done for every message.
      _ = queue.dropOldest(byteCount: lacking + lacking / 2 + configuration.indexIntervalBytes, now)
      lacking -= min(lacking, before - min(queue.liveBytes, before))
    }
    return lacking == 0
  }

  /// Bytes below which beginning a segment would touch the reserve.
  private var scarceByteCount: UInt64 {
    configuration.reserveBytes + configuration.upstreamSegmentBytes
  }

  /// Whether the disk has room beyond its reserve, in queues that would begin a segment.
  private func hasDisk(for tallies: [Tally], _ now: EdgeTime) -> Bool {
    for case let queue? in queues {
      let tally = tallies[Int(queue.number)]
      guard tally.recordCount > 0,
        freeByteCount < configuration.reserveBytes + queue.segmentBytes,
        !queue.log.hasRoomInSegment(
          byteCount: queue.staging.byteCount + tally.byteCount,
          recordCount: queue.staging.recordCount + tally.recordCount
        )
      else { continue }
      // For each segment that goes another one may begin.
      if queue.giveBack(keepingCheckpoint: false) > 0 { continue }
      guard tally.dropsOldest, queue.dropOldestSegment(now) else { return false }
    }
    return true
  }

  /// Bytes of messages that wait, those that are not written yet among them.
  public var usedByteCount: UInt64 {
    queues.reduce(0) { sum, queue in
      guard let queue else { return sum }
      return sum + queue.liveBytes + UInt64(queue.log.uncommittedByteCount)
        + UInt64(queue.staging.byteCount)
    }
  }

  /// Bytes that the files of an endpoint's queue take, without what is reserved: metric
  /// `edgehub_store_bytes`.
  public func fileByteCount(_ endpoint: UInt16) -> UInt64 { queue(endpoint)?.fileBytes ?? 0 }

  /// What every class of every queue holds, those left out that never had a message.
  public var figures: [QueueFigures] {
    var figures: [QueueFigures] = []
    for case let queue? in queues {
      for priority in PriorityClass.all {
        let counts = queue.counts[priority.index]
        let length = queue.length(priority)
        guard length > 0 || counts != StoreCounts() || priority == .default else { continue }
        figures.append(
          QueueFigures(
            endpoint: queue.endpoint,
            priority: priority,
            length: length,
            counts: counts
          )
        )
      }
    }
    return figures
  }

  /// Whose messages were removed at the heads of the queues since the last call because their time was
  /// over.
  public mutating func takeExpired() -> [MessageSender: Int] {
    var expired: [MessageSender: Int] = [:]
    for case let queue? in queues where !queue.expiredSenders.isEmpty {
      expired.merge(queue.expiredSenders) { $0 + $1 }
      queue.expiredSenders = [:]
    }
    return expired
  }

  /// Why an endpoint's queue takes nothing now; nil if it does, as far as is known.
  public func suspension(_ endpoint: UInt16) -> LogFault? {
    guard let queue = queue(endpoint), case .suspended(let fault) = queue.log.state else {
      return nil
    }
    return fault
  }
}
