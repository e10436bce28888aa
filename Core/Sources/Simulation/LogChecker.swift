public import MessageLog

/// Watches a log from outside: what was acknowledged must be there, once, and in order.
///
/// Producers give every record an identifier of their own and tell the checker when they offer it
/// and when it was acknowledged. `check` then reads the log and says what is wrong. It knows nothing
/// of how the log works, so it serves a simulated log as well as a real one after a kill -9.
public struct LogChecker: Sendable {
  /// What is wrong with a log; empty in each part if all is well.
  public struct Verdict: Equatable, Sendable {
    /// A record of a partition, by the producer's identifier.
    public struct Record: Hashable, Sendable {
      /// The partition it was offered to.
      public let partition: UInt16
      /// The producer's identifier.
      public let id: UInt64

      /// Names a record.
      public init(partition: UInt16, id: UInt64) {
        self.partition = partition
        self.id = id
      }
    }
    /// Acknowledged, and not in the log.
    public var lost: [Record] = []
    /// More than once in the log.
    public var duplicated: [Record] = []
    /// Acknowledged before a record that stands in front of it.
    public var reordered: [Record] = []
    /// In the log, and never offered to its partition.
    public var unknown: [Record] = []
    /// Records whose number does not follow the one before it in the partition.
    public var misnumbered: [Record] = []
    /// Records that the log had to step over.
    public var damage: [LogDamage] = []
    /// Records read.
    public var recordCount = 0

    /// Whether nothing is wrong.
    public var isClean: Bool {
      lost.isEmpty && duplicated.isEmpty && reordered.isEmpty && unknown.isEmpty
        && misnumbered.isEmpty && damage.isEmpty
    }
  }

  /// Whether payloads that were never offered are nobody's fault, because others write too.
  public var acceptsForeign = false
  private var acknowledged: [[UInt64]]
  private var offered: [Set<UInt64>]

  /// Creates a checker of a log with `partitionCount` partitions.
  public init(partitionCount: Int) {
    acknowledged = Array(repeating: [], count: partitionCount)
    offered = Array(repeating: [], count: partitionCount)
  }

  /// Takes note that a producer gave the log a record.
  ///
  /// It may turn up in the log even if it is never acknowledged.
  public mutating func offer(partition: UInt16, id: UInt64) {
    offered[Int(partition)].insert(id)
  }

  /// Takes note that the log answered for a record, after all that it answered for before.
  public mutating func acknowledge(partition: UInt16, id: UInt64) {
    offered[Int(partition)].insert(id)
    acknowledged[Int(partition)].append(id)
  }

  /// Takes note of everything that was offered according to `other`.
  public mutating func offerAll(of other: LogChecker) {
    for partition in offered.indices { offered[partition].formUnion(other.offered[partition]) }
  }

  /// Number of records acknowledged so far.
  public var acknowledgedCount: Int { acknowledged.reduce(0) { $0 + $1.count } }

  /// Reads all partitions from their earliest record and compares.
  ///
  /// `identifier` finds a producer's identifier in a payload; nil means that the payload is none of
  /// its. What retention removed does not count as lost: at most as many of the records that were
  /// acknowledged first as the partition's first sequence number says.
  public func check<Disk: LogDisk>(
    _ view: LogView,
    on disk: Disk,
    identifier: (Span<UInt8>) -> UInt64?
  ) throws(LogFault) -> Verdict {
    var verdict = Verdict()
    for partition in 0..<UInt16(acknowledged.count) {
      try check(partition, view, disk, identifier, &verdict)
    }
    return verdict
  }

  private func check<Disk: LogDisk>(
    _ partition: UInt16,
    _ view: LogView,
    _ disk: Disk,
    _ identifier: (Span<UInt8>) -> UInt64?,
    _ verdict: inout Verdict
  ) throws(LogFault) {
    let offered = offered[Int(partition)]
    var found: [UInt64: Int] = [:]
    var next = view[partition].firstSequence
    var cursor = LogCursor(disk: disk, partition: partition)
    cursor.seek(.earliest, in: view)
    while true {
      let reading = try cursor.read(in: view, maxRecords: 4096) { record in
        verdict.recordCount += 1
        let id = identifier(record.payload)
        let name = Verdict.Record(partition: partition, id: id ?? .max)
        if record.sequence != next { verdict.misnumbered.append(name) }
        next = record.sequence &+ 1
        guard let id, offered.contains(id) else {
          if !acceptsForeign { verdict.unknown.append(name) }
          return
        }
        if found.updateValue(found.count, forKey: id) != nil { verdict.duplicated.append(name) }
      }
      verdict.damage += reading.damage
      if reading.isAtEnd { break }
    }
    compare(partition, found, removedCount: view[partition].firstSequence, &verdict)
  }

  /// Compares the places of the acknowledged records.
  private func compare(
    _ partition: UInt16,
    _ found: [UInt64: Int],
    removedCount: UInt64,
    _ verdict: inout Verdict
  ) {
    var previous = -1
    // What retention removed is the oldest part of what was acknowledged.
    var mayBeRemoved = removedCount
    for id in acknowledged[Int(partition)] {
      let record = Verdict.Record(partition: partition, id: id)
      guard let place = found[id] else {
        if mayBeRemoved == 0 { verdict.lost.append(record) }
        mayBeRemoved -= min(mayBeRemoved, 1)
        continue
      }
      mayBeRemoved = 0
      if place < previous { verdict.reordered.append(record) }
      previous = max(previous, place)
    }
  }
}
