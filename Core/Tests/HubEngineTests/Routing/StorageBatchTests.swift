import ByteIO
import HubEngine
import Testing

@Suite("Batches for storage (contract §9.1)")
struct StorageBatchTests {
  private static func machine() -> StorageBatch {
    StorageBatch(position: 5, maximumBytes: 100, maximumSeconds: 60)
  }

  private static func at(_ seconds: UInt64) -> Instant {
    Instant(nanoseconds: seconds * 1_000_000_000)
  }

  @Test("a batch ends when it is old enough; then its messages are passed")
  func byTime() {
    var batch = Self.machine()
    #expect(batch.deadline == nil && batch.timeout(now: Self.at(1000)) == .none)
    #expect(batch.found(7, byteCount: 10, now: Self.at(3)) == .write(isFirst: true))
    #expect(batch.found(8, byteCount: 10, now: Self.at(50)) == .write(isFirst: false))
    batch.skipped(to: 12)
    // Messages before the first of the batch are dealt with, those behind it not yet.
    #expect(batch.position == 7 && batch.next == 12)
    #expect(batch.deadline == Self.at(63))
    #expect(batch.timeout(now: Self.at(62)) == .none)
    #expect(batch.timeout(now: Self.at(63)) == .finish)
    #expect(!batch.isReading && batch.deadline == nil)
    #expect(batch.finished() == 12)
    #expect(batch.position == 12 && batch.count == 0 && batch.isReading)
  }

  @Test("a batch ends before it would be too large; a message larger than that goes alone")
  func bySize() {
    var batch = Self.machine()
    #expect(batch.found(5, byteCount: 60, now: Self.at(0)) == .write(isFirst: true))
    #expect(batch.found(6, byteCount: 40, now: Self.at(0)) == .write(isFirst: false))
    #expect(batch.found(7, byteCount: 1, now: Self.at(0)) == .finish)
    #expect(batch.found(7, byteCount: 1, now: Self.at(0)) == .none)
    #expect(batch.finished() == 7)
    #expect(batch.found(7, byteCount: 1000, now: Self.at(0)) == .write(isFirst: true))
    #expect(batch.found(8, byteCount: 1, now: Self.at(0)) == .finish)
    #expect(batch.finished() == 8)
  }

  @Test("messages of others move the position while nothing is collected")
  func skipping() {
    var batch = Self.machine()
    batch.skipped(to: 9)
    #expect(batch.position == 9 && batch.next == 9)
    batch.skipped(to: 8)
    #expect(batch.position == 9)
    #expect(batch.found(8, byteCount: 1, now: Self.at(0)) == .none)
  }

  @Test("after a failure the messages are read again, later each time, and none is passed")
  func failure() {
    var batch = Self.machine()
    var now = Self.at(0)
    for wait in [1, 2, 4] as [UInt64] {
      #expect(batch.found(5, byteCount: 1, now: now) == .write(isFirst: true))
      #expect(batch.found(6, byteCount: 1, now: now) == .write(isFirst: false))
      let until = batch.failed(now: now, random: 0)
      #expect(until == now.adding(milliseconds: wait * 1000) && batch.deadline == until)
      #expect(batch.found(5, byteCount: 1, now: now) == .none)
      #expect(batch.position == 5 && batch.count == 0 && batch.finished() == nil)
      #expect(batch.timeout(now: now) == .none)
      now = until
      #expect(batch.timeout(now: now) == .read(from: 5))
    }
    // Finishing fails too.
    _ = batch.found(5, byteCount: 1, now: now)
    #expect(batch.drain() == .finish && batch.drain() == .none)
    now = batch.failed(now: now, random: 0)
    #expect(batch.timeout(now: now) == .read(from: 5))
    _ = batch.found(5, byteCount: 1, now: now)
    _ = batch.drain()
    #expect(batch.finished() == 6)
    // Success forgets the failures.
    _ = batch.found(6, byteCount: 1, now: now)
    #expect(batch.failed(now: now, random: 0) == now.adding(milliseconds: 1000))
  }

  @Test("an empty batch has nothing to finish")
  func empty() {
    var batch = Self.machine()
    #expect(batch.drain() == .none && batch.finished() == nil)
  }
}
