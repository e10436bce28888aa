import ByteIO
import EdgeEngine
import EdgeService
import Synchronization
import Testing

@Suite("The time as far as it is known (DIFF 19)")
struct KnownTimeTests {
  private final class Clocks: Sendable {
    let wall = Mutex<Int64>(0)
    let monotonic = Mutex<UInt64>(0)
  }

  private let directory: TemporaryDirectory
  private let clocks = Clocks()

  init() throws { directory = try TemporaryDirectory() }

  private func time() -> KnownTime {
    let clocks = clocks
    return KnownTime(
      directory: directory.path,
      wall: { clocks.wall.withLock { $0 } },
      monotonic: { Instant(nanoseconds: clocks.monotonic.withLock { $0 }) }
    )
  }

  @Test("without a bound the wall clock counts")
  func wallClock() {
    clocks.wall.withLock { $0 = 1_000 }
    #expect(time().seconds == 1_000)
  }

  @Test("a clock behind what the hub said is not believed, and what it said grows with time")
  func bound() {
    let time = time()
    time.saw(1_800_000_000)
    #expect(time.seconds == 1_800_000_000)
    clocks.monotonic.withLock { $0 = 60_000_000_000 }
    #expect(time.seconds == 1_800_000_060)
    clocks.wall.withLock { $0 = 1_900_000_000 }
    #expect(time.seconds == 1_900_000_000)
  }

  @Test("the bound outlives a restart in 1970, and never goes back")
  func restart() {
    time().saw(1_800_000_000)
    let again = time()
    #expect(again.seconds == 1_800_000_000)
    again.saw(1_700_000_000)
    #expect(again.seconds == 1_800_000_000)
  }

  @Test("a clock that ran ahead leaves no bound")
  func ahead() {
    clocks.wall.withLock { $0 = 4_000_000_000 }
    let time = time()
    #expect(time.seconds == 4_000_000_000)
    time.saw(1_800_000_000)
    clocks.wall.withLock { $0 = 1_800_000_001 }
    #expect(time.seconds == 1_800_000_001)
    #expect(self.time().seconds == 1_800_000_001)
  }

  @Test("what passed while it ran offline is certain after a restart, without the time it was off")
  func elapsed() {
    let first = time()
    first.saw(1_800_000_000)
    clocks.monotonic.withLock { $0 = 86_400_000_000_000 }
    #expect(first.judged.least == 1_800_086_400)
    let again = time()
    #expect(again.judged.least == 1_800_086_400)
    #expect(!again.judged.isSteady)
  }

  @Test("a wall clock is steady until its time is impossible, it is set, or the hub disagrees")
  func steady() {
    #expect(!time().judged.isSteady)
    clocks.wall.withLock { $0 = 1_800_000_000 }
    let right = time()
    #expect(right.judged.isSteady)
    right.saw(1_800_000_010)
    #expect(right.judged.isSteady)
    clocks.wall.withLock { $0 = 1_790_000_000 }
    #expect(right.judged == JudgedTime(seconds: 0, least: 1_800_000_000, isSteady: false))
    // It was set once; a restart does not make it believable, the hub does.
    clocks.wall.withLock { $0 = 1_800_000_100 }
    #expect(!time().judged.isSteady)
    let again = time()
    again.saw(1_800_000_100)
    #expect(again.judged.isSteady)
    #expect(time().judged.isSteady)
  }
}
