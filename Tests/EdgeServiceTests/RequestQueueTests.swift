import EdgeService
import Synchronization
import Testing

@Suite("Requests at once on a socket (DIFF 12)")
struct RequestQueueTests {
  private final class Counts: Sendable {
    let all = Mutex((running: 0, most: 0, done: 0))
  }

  @Test("never more than the limit at once, and all of them are done")
  func limit() async throws {
    let queue = RequestQueue(limit: 3)
    let counts = Counts()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<50 {
        group.addTask {
          try await queue.run {
            counts.all.withLock {
              $0.running += 1
              $0.most = max($0.most, $0.running)
            }
            for _ in 0..<10 { await Task.yield() }
            counts.all.withLock {
              $0.running -= 1
              $0.done += 1
            }
          }
        }
      }
      try await group.waitForAll()
    }
    let (running, most, done) = counts.all.withLock { $0 }
    #expect(running == 0)
    #expect((1...3).contains(most))
    #expect(done == 50)
  }

  @Test("whoever waited too long is told, and the place is not lost")
  func patience() async throws {
    let queue = RequestQueue(limit: 1, patience: .milliseconds(20))
    let (release, released) = AsyncStream<Void>.makeStream()
    let (start, started) = AsyncStream<Void>.makeStream()
    async let first: Void = queue.run {
      started.yield()
      for await _ in release { break }
    }
    for await _ in start { break }
    await #expect(throws: RequestQueue.Full.self) { try await queue.run {} }
    released.yield()
    try await first
    try await queue.run {}
  }

  @Test("a caller who is gone gives the place back")
  func cancellation() async throws {
    let queue = RequestQueue(limit: 1)
    let (release, released) = AsyncStream<Void>.makeStream()
    let (start, started) = AsyncStream<Void>.makeStream()
    async let first: Void = queue.run {
      started.yield()
      for await _ in release { break }
    }
    for await _ in start { break }
    let second = Task { try await queue.run {} }
    second.cancel()
    await #expect(throws: RequestQueue.Full.self) { try await second.value }
    released.yield()
    try await first
    try await queue.run {}
  }
}
