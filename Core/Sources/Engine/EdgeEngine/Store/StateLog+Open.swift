public import ByteIO
public import MessageLog

extension StateLog {
  /// Opens the state in `disk`, or makes it if there is none.
  ///
  /// What was found is in `findings`. `salt` has random bits; `crc` may bring a processor's own
  /// instruction. Throws what `MessageLog.open` throws, and `disk` if the disk fails.
  public static func open(
    _ disk: Disk,
    configuration: StateLogConfiguration = StateLogConfiguration(),
    salt: UInt64,
    crc: CRC32C = CRC32C()
  ) throws(LogFault) -> StateLog {
    var state = StateLog(
      disk,
      configuration,
      log: try MessageLog.open(disk, configuration: configuration.log(salt: salt), crc: crc)
    )
    try state.replay()
    return state
  }

  private mutating func replay() throws(LogFault) {
    let view = log.view
    var cursor = LogCursor(disk: disk, partition: 0)
    while true {
      let reading = try cursor.read(in: view, maxRecords: 1024) { record in
        guard let state = StateRecord(record.payload) else { return }
        let byteCount = record.payload.count + LogBatch.frameByteCount
        set(
          state.key(record.payload),
          state.isPut ? Place(sequence: record.sequence, byteCount: byteCount) : nil
        )
      }
      findings += reading.damage.map { .damaged($0) }
      if reading.isAtEnd { return }
    }
  }

  /// Clears old values away if they take more than twice the room of what counts.
  ///
  /// What counts is written once more, then the segments before it go. If the power is cut or the
  /// disk fills up meanwhile, some of it is there twice, which does no harm.
  mutating func clearAway(_ now: UInt64) {
    let used = log.view.byteCount
    guard used > liveByteCount * 3 + 2 * configuration.segmentBytes, used > retryByteCount else {
      return
    }
    retryByteCount = 0
    do throws(LogFault) {
      try rewrite(now)
      let first = places.values.lazy.map(\.sequence).min()
      try log.release(before: [first ?? log.view[0].nextSequence])
    } catch {
      retryByteCount = used + configuration.segmentBytes
    }
  }

  /// Writes every record that counts behind all others.
  private mutating func rewrite(_ now: UInt64) throws(LogFault) {
    let view = log.view
    let live = places
    var cursor = LogCursor(disk: disk, partition: 0)
    var isAtEnd = false
    while !isAtEnd {
      var batch = LogBatch(limits: configuration.limits)
      var keys: [String] = []
      let reading = try cursor.read(in: view, maxRecords: 256, maxBytes: 1 << 20) { record in
        guard let state = StateRecord(record.payload), state.isPut,
          case let key = state.key(record.payload), live[key]?.sequence == record.sequence
        else { return }
        batch.beginRecord(partition: 0)
        batch.append(record.payload)
        // It was within the limits when it was first written; if it no longer is, it stays where
        // it is, and the segments with it.
        if (try? batch.endRecord()) != nil { keys.append(key) }
      }
      isAtEnd = reading.isAtEnd
      guard !batch.isEmpty else { continue }
      try log.write(&batch, now)
      var index = 0
      batch.forEachRecord { record in
        let byteCount = record.payloadRange.count + LogBatch.frameByteCount
        set(keys[index], Place(sequence: record.sequence, byteCount: byteCount))
        index += 1
      }
    }
  }
}
