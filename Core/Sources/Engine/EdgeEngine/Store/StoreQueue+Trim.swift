import ByteIO
import HubContract
import MessageLog

extension StoreQueue {
  struct Trimmed {
    var count: UInt64 = 0
    /// The message at which it stopped; nil if it stopped for another reason.
    var head: StoredHeader?
    /// Whether nothing waits any more.
    var isAtEnd = false
  }

  /// Removes messages at the head of a class as long as `isGone` says so, at most about `limit`, and
  /// shows each of them to `removed`.
  func trim(
    _ priority: PriorityClass,
    limit: UInt64,
    _ now: EdgeTime,
    removed: (Span<UInt8>) -> Void = { _ in },
    _ isGone: (StoredHeader, _ sequence: UInt64, _ position: UInt64) -> Bool
  ) -> Trimmed {
    let view = log.view
    let first = settled[priority.index]
    var trimmed = Trimmed()
    var bound = first
    var isOver = false
    var cursor = LogCursor(disk: disk, partition: priority.partition, windowByteCount: 16 << 10)
    cursor.seek(.sequence(first, inclusive: true), in: view)
    // Mostly the first look says that there is nothing to do.
    var step = 1
    while !isOver, trimmed.count < limit {
      do throws(LogFault) {
        let reading = try cursor.read(in: view, maxRecords: step) { record in
          guard !isOver else { return }
          guard let header = StoredHeader(record.payload),
            isGone(header, record.sequence, record.offset)
          else {
            isOver = true
            trimmed.head = StoredHeader(record.payload)
            // Records in front of it that are missing were damaged.
            bound = record.sequence
            return
          }
          trimmed.count += 1
          removed(record.payload)
          bound = record.sequence + 1
        }
        guard !reading.isAtEnd else {
          trimmed.isAtEnd = !isOver
          if !isOver { bound = view[priority.partition].nextSequence }
          break
        }
      } catch {
        // The disk can't be read now; what was seen counts.
        break
      }
      step = min(step * 4, 256)
    }
    if bound > first {
      move(priority, to: bound, now)
      isChanged = true
      measure()
    }
    return trimmed
  }

  /// Removes messages that may give way, oldest first, until at least `byteCount` bytes less are
  /// counted; false if it can't.
  func dropOldest(byteCount: UInt64, _ now: EdgeTime) -> Bool {
    let before = liveBytes
    while before - min(liveBytes, before) < byteCount {
      let view = log.view
      let start = view.committedEnd - liveBytes
      // The index tells places to an interval, so it takes a little more.
      let lacking = byteCount - (before - min(liveBytes, before))
      let end = start + lacking + 4096
      guard drop(now, { _, position in position < end }) > 0 else { return false }
    }
    return true
  }

  /// Removes the messages of the oldest segment if all of them may give way, and gives its space
  /// back.
  func dropOldestSegment(_ now: EdgeTime) -> Bool {
    guard let end = log.view.oldestSegmentEnd else { return false }
    var count: UInt64 = 0
    for priority in PriorityClass.all {
      let bound = end[priority.index]
      count += drop(priority, now) { sequence, _ in sequence < bound }
    }
    return count > 0 && giveBack(keepingCheckpoint: false) > 0
  }

  private func drop(
    _ now: EdgeTime,
    _ isMeant: (_ sequence: UInt64, _ position: UInt64) -> Bool
  ) -> UInt64 {
    PriorityClass.all.reduce(0) { $0 + drop($1, now, isMeant) }
  }

  private func drop(
    _ priority: PriorityClass,
    _ now: EdgeTime,
    _ isMeant: (_ sequence: UInt64, _ position: UInt64) -> Bool
  ) -> UInt64 {
    guard length(priority) > 0 else { return 0 }
    let trimmed = trim(priority, limit: .max, now) { header, sequence, position in
      isMeant(sequence, position) && (header.dropsOldest || header.expiry <= now.savedAge)
    }
    counts[priority.index].dropped += trimmed.count
    return trimmed.count
  }
}

/// A record of the checkpoint partition, little-endian: version 1 · for each class, the number 8
/// before which everything is settled.
enum Checkpoint {
  private static let version: UInt8 = 1

  static func append(_ settled: [UInt64], to batch: inout LogBatch) {
    batch.uint8(version)
    for number in settled { batch.uint64LE(number) }
  }

  private static func read(_ payload: Span<UInt8>) -> [UInt64]? {
    var reader = ByteReader(payload)
    guard reader.uint8() == version else { return nil }
    var settled: [UInt64] = []
    for _ in 0..<PriorityClass.count {
      guard let number = reader.uint64LE() else { return nil }
      settled.append(number)
    }
    return settled
  }

  /// What the newest checkpoint that can be read says, nil if there is none.
  static func newest<Disk: LogDisk>(in view: LogView, on disk: Disk) -> [UInt64]? {
    let kept = view[StoreQueueLayout.checkpointPartition]
    guard kept.nextSequence > kept.firstSequence else { return nil }
    // The last one is nearly always good; else the newest of all that are.
    return newest(in: view, on: disk, from: kept.nextSequence - 1)
      ?? newest(in: view, on: disk, from: kept.firstSequence)
  }

  private static func newest<Disk: LogDisk>(
    in view: LogView,
    on disk: Disk,
    from sequence: UInt64
  ) -> [UInt64]? {
    var cursor = LogCursor(disk: disk, partition: StoreQueueLayout.checkpointPartition)
    cursor.seek(.sequence(sequence, inclusive: true), in: view)
    var found: [UInt64]?
    while true {
      do throws(LogFault) {
        let reading = try cursor.read(in: view, maxRecords: 1024) { record in
          found = read(record.payload) ?? found
        }
        if reading.isAtEnd { return found }
      } catch {
        return found
      }
    }
  }
}
