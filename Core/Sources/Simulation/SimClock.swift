public import ByteIO

/// The time of a simulation: it moves only when told to.
///
/// The monotonic reading never goes back; the calendar time may be stepped, as an operator or a
/// time service does.
public struct SimClock: Sendable, Hashable {
  /// The monotonic reading.
  public private(set) var now: Instant
  /// Calendar time in milliseconds since 1970.
  public private(set) var milliseconds: UInt64

  /// Creates a clock; it begins on 2026-01-01 unless told otherwise.
  public init(milliseconds: UInt64 = 1_767_225_600_000) {
    now = Instant(nanoseconds: 0)
    self.milliseconds = milliseconds
  }

  /// Lets time pass.
  public mutating func advance(milliseconds: UInt64) {
    now = now.adding(milliseconds: milliseconds)
    self.milliseconds += milliseconds
  }

  /// Lets time pass until `instant`; does nothing if that is past.
  public mutating func advance(to instant: Instant) {
    guard instant > now else { return }
    let before = now.nanoseconds / 1_000_000
    now = instant
    milliseconds += instant.nanoseconds / 1_000_000 - before
  }

  /// Steps the calendar without time passing, by a negative or positive number of milliseconds.
  public mutating func stepCalendar(byMilliseconds step: Int64) {
    let stepped = Int64(clamping: milliseconds).addingReportingOverflow(step)
    milliseconds = stepped.overflow ? milliseconds : UInt64(clamping: stepped.partialValue)
  }
}
