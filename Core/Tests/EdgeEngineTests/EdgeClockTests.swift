import ByteIO
import EdgeEngine
import Testing

@Suite("Time of an edge whose clock may be wrong (edge contract §9.1, DIFF 19)")
struct EdgeClockTests {
  struct Off {
    var keepsTime: Bool
    var off: Int64
    var counted: UInt64
  }

  private static let year: UInt64 = 365 * 86_400_000
  private static let today: UInt64 = 1_790_000_000_000

  private func at(_ milliseconds: UInt64) -> Instant {
    Instant(nanoseconds: milliseconds * 1_000_000)
  }

  @Test("it follows the monotonic clock, whatever the system's clock does")
  func runs() {
    for wall in [0, Self.today - Self.year, Self.today + 10 * Self.year, .max] as [UInt64] {
      var clock = EdgeClock(wall: Self.today, monotonic: at(0))
      let before = clock.read(wall: Self.today, monotonic: at(0))
      let after = clock.read(wall: wall, monotonic: at(1500))
      #expect(after.calendar == before.calendar + 1500, "\(wall)")
      #expect(after.age == before.age + 1500, "\(wall)")
    }
  }

  @Test("parts of a millisecond are not lost")
  func fractions() {
    var clock = EdgeClock(wall: Self.today, monotonic: at(0))
    var time = clock.read(wall: Self.today, monotonic: at(0))
    let start = time.age
    for step in 1...10_000 as ClosedRange<UInt64> {
      time = clock.read(wall: Self.today, monotonic: Instant(nanoseconds: step * 300_000))
    }
    #expect(time.age == start + 3000)
  }

  @Test("a jump forward is believed once the clock is vouched for; the age stays as it is")
  func confirmation() {
    // No battery: the system's clock begins long ago.
    var clock = EdgeClock(
      EdgeClock.State(calendar: Self.today, age: 77, keepsTime: true),
      wall: 0,
      monotonic: at(0)
    )
    #expect(
      clock.read(wall: 0, monotonic: at(0)) == EdgeTime(calendar: Self.today, age: 77, savedAge: 77)
    )
    let later = Self.today + Self.year
    let before = clock.read(wall: later, monotonic: at(1000))
    #expect(before == EdgeTime(calendar: Self.today + 1000, age: 1077, savedAge: 77))
    #expect(clock.confirm(wall: later, monotonic: at(1000)) == Self.year - 1000)
    #expect(clock.isConfirmed)
    #expect(
      clock.read(wall: later + 5, monotonic: at(1005))
        == EdgeTime(calendar: later + 5, age: 1082, savedAge: 77)
    )
    #expect(!clock.state.keepsTime)
  }

  @Test("a calendar that is ahead goes slower, and never back")
  func ahead() {
    var clock = EdgeClock(wall: Self.today + 10_000, monotonic: at(0))
    #expect(clock.confirm(wall: Self.today, monotonic: at(0)) == 0)
    var last = clock.read(wall: Self.today, monotonic: at(0)).calendar
    #expect(last == Self.today + 10_000)
    for second in 1...30 as ClosedRange<UInt64> {
      let time = clock.read(wall: Self.today + second * 1000, monotonic: at(second * 1000))
      #expect(time.calendar >= last)
      last = time.calendar
    }
    #expect(last == Self.today + 30_000)
  }

  @Test(
    "time while it is off counts only if the clock has proven to keep it",
    arguments: [
      Off(keepsTime: true, off: 3_600_000, counted: 3_600_000),
      Off(keepsTime: false, off: 3_600_000, counted: 0),
      Off(keepsTime: true, off: -5000, counted: 0),
      Off(keepsTime: true, off: 31 * 86_400_000, counted: 31 * 86_400_000),
      Off(keepsTime: true, off: 33 * 86_400_000, counted: 0),
    ]
  )
  func off(_ row: Off) {
    let (keepsTime, off, counted) = (row.keepsTime, row.off, row.counted)
    let state = EdgeClock.State(calendar: Self.today, age: 1000, keepsTime: keepsTime)
    var clock = EdgeClock(state, wall: UInt64(Int64(Self.today) + off), monotonic: at(0))
    let time = clock.read(wall: UInt64(Int64(Self.today) + off), monotonic: at(0))
    let expected = EdgeTime(calendar: Self.today + counted, age: 1000 + counted, savedAge: 1000)
    #expect(time == expected)
  }

  @Test("the saved age is what was stored last, and never ahead of the age or going back")
  func saving() {
    var clock = EdgeClock(wall: Self.today, monotonic: at(0))
    #expect(clock.read(wall: Self.today, monotonic: at(0)).savedAge == 0)
    let first = clock.state
    let later = clock.read(wall: Self.today + 5000, monotonic: at(5000))
    #expect(later.savedAge == 0)
    clock.saved(clock.state)
    clock.saved(first)
    #expect(clock.read(wall: Self.today + 6000, monotonic: at(6000)).savedAge == later.age)
    clock.saved(EdgeClock.State(calendar: 0, age: .max, keepsTime: true))
    let time = clock.read(wall: Self.today + 6000, monotonic: at(6000))
    #expect(time.savedAge == time.age)
  }

  @Test("the first witness after a start says whether the clock keeps time")
  func proving() {
    let state = EdgeClock.State(calendar: Self.today, age: 0, keepsTime: false)
    let morning = Self.today + 30_000_000
    var steady = EdgeClock(state, wall: morning, monotonic: at(0))
    steady.confirm(wall: morning + 60_000, monotonic: at(60_000))
    #expect(steady.state.keepsTime)
    // It was set after the start.
    var unsteady = EdgeClock(state, wall: morning, monotonic: at(0))
    unsteady.confirm(wall: morning + 1_000_000, monotonic: at(60_000))
    #expect(!unsteady.state.keepsTime)
    // Set by hand later on: nobody knows, until the next witness.
    _ = steady.read(wall: morning + 9_000_000, monotonic: at(120_000))
    #expect(!steady.state.keepsTime && !steady.isConfirmed)
    var misled = steady
    misled.confirm(wall: morning + 9_000_000, monotonic: at(120_000))
    #expect(!misled.state.keepsTime, "it had been wrong since the start")
    steady.confirm(wall: morning + 180_000, monotonic: at(180_000))
    #expect(steady.state.keepsTime)
  }
}
