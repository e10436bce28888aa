import ByteIO
import Platform
import Synchronization

/// Where each partition of an endpoint stands, moved by a task of its own each, and kept in one file.
///
/// Not every move is written at once: a sync for each request would cost the disk, which is the
/// message log's too, more than the events do. What is not written when the hub is killed is sent again.
final class EndpointPositions: Sendable {
  /// Least milliseconds between two writes while events are passed one after the other.
  private static let milliseconds: UInt64 = 200
  /// Least milliseconds between two writes if only events of others are passed: those cost a restart
  /// the reading, nothing else.
  private static let skippingMilliseconds: UInt64 = 10_000

  private struct State {
    var positions: [UInt64]
    /// Whether events of the endpoint were passed since the last write.
    var isOwed = false
    var lastWrite: Instant
  }

  private let state: Mutex<State>
  private let checkpoint: EndpointCheckpoint

  /// Begins at what `checkpoint` has; without it at the beginning, for rather twice than never.
  init(_ checkpoint: EndpointCheckpoint, partitionCount: Int, now: Instant) {
    self.checkpoint = checkpoint
    let stored = checkpoint.read() ?? []
    let positions = (0..<partitionCount).map { stored.indices.contains($0) ? stored[$0] : 0 }
    state = Mutex(State(positions: positions, lastWrite: now))
  }

  subscript(partition: UInt16) -> UInt64 { state.withLock { $0.positions[Int(partition)] } }

  /// Whether everything before `ends`, by partition, is dealt with.
  func hasReached(_ ends: [UInt64]) -> Bool {
    state.withLock { state in zip(state.positions, ends).allSatisfy { $0 >= $1 } }
  }

  /// Everything of `partition` before `position` is dealt with.
  func pass(_ partition: UInt16, to position: UInt64, now: Instant) throws(FileFault) {
    try move(partition, position, owes: true, now)
  }

  /// Everything of `partition` before `position` is dealt with, and what was last was others'.
  func skip(_ partition: UInt16, to position: UInt64, now: Instant) throws(FileFault) {
    try move(partition, position, owes: false, now)
  }

  /// Writes what is owed, before a pause.
  func settle(now: Instant) throws(FileFault) {
    try state.withLock { state throws(FileFault) in
      if state.isOwed { try write(&state, now) }
    }
  }

  /// Writes where the partitions stand, at the end.
  func close(now: Instant) throws(FileFault) {
    try state.withLock { state throws(FileFault) in try write(&state, now) }
  }

  private func move(
    _ partition: UInt16,
    _ position: UInt64,
    owes: Bool,
    _ now: Instant
  ) throws(FileFault) {
    try state.withLock { state throws(FileFault) in
      guard state.positions[Int(partition)] != position else { return }
      state.positions[Int(partition)] = position
      state.isOwed = state.isOwed || owes
      let wait = state.isOwed ? Self.milliseconds : Self.skippingMilliseconds
      if now.milliseconds(since: state.lastWrite) >= wait { try write(&state, now) }
    }
  }

  private func write(_ state: inout State, _ now: Instant) throws(FileFault) {
    // A disk that fails is not asked more often than one that works.
    state.lastWrite = now
    try checkpoint.write(state.positions)
    state.isOwed = false
  }
}
