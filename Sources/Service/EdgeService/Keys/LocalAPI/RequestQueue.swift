import Platform
import Synchronization

/// Lets a few requests be worked on at once; the others wait their turn for a while.
///
/// The vendor closes what is too much, and clients that start together fail (DIFF 12).
package final class RequestQueue: Sendable {
  /// No turn came in time, or too many wait already.
  package struct Full: Error {}

  private struct State {
    var running = 0
    var next: UInt64 = 0
    /// In the order in which they came.
    var waiting: [(id: UInt64, turn: CheckedContinuation<Bool, Never>)] = []
  }

  /// How many may wait at most.
  package static let waitingLimit = 256

  private let limit: Int
  private let patience: Duration
  private let state = Mutex(State())

  /// A queue that lets `limit` requests be worked on at once, and others wait for `patience`.
  package init(limit: Int, patience: Duration = .seconds(5)) {
    self.limit = limit
    self.patience = patience
  }

  /// Does the work when its turn has come.
  ///
  /// - Throws: `Full`, or what the work throws.
  package func run<Result: Sendable>(
    _ work: () async throws -> Result
  ) async throws -> Result {
    try await enter()
    defer { leave() }
    return try await work()
  }

  private func enter() async throws {
    let place = state.withLock { state -> UInt64? in
      guard state.running >= limit else {
        state.running += 1
        return nil
      }
      state.next += 1
      return state.next
    }
    guard let place else { return }
    let (queue, patience) = (self, patience)
    let impatience = Task {
      try await Pause.sleep(for: patience)
      queue.giveUp(place)
    }
    let hasTurn = await withTaskCancellationHandler {
      await withCheckedContinuation { turn in queue.wait(place, turn) }
    } onCancel: {
      queue.giveUp(place)
    }
    impatience.cancel()
    guard hasTurn else { throw Full() }
  }

  private func wait(_ place: UInt64, _ turn: CheckedContinuation<Bool, Never>) {
    // It may have become free since; or the caller is gone, whom nobody would wake.
    let answer = state.withLock { state -> Bool? in
      if Task.isCancelled || state.waiting.count >= Self.waitingLimit { return false }
      guard state.running >= limit else {
        state.running += 1
        return true
      }
      state.waiting.append((place, turn))
      return nil
    }
    if let answer { turn.resume(returning: answer) }
  }

  private func giveUp(_ place: UInt64) {
    let turn = state.withLock { state in
      state.waiting.firstIndex { $0.id == place }.map { state.waiting.remove(at: $0).turn }
    }
    turn?.resume(returning: false)
  }

  private func leave() {
    // The place goes from one to the next, so that nobody who comes now takes it.
    let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
      guard !state.waiting.isEmpty else {
        state.running -= 1
        return nil
      }
      return state.waiting.removeFirst().turn
    }
    next?.resume(returning: true)
  }
}
