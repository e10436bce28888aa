/// Hours of the week in which a device may restart for an update.
public struct UpdateWindow: Equatable, Sendable {
  /// Days on which it opens: bit 0 is Monday, bit 6 Sunday.
  public var days: UInt8
  /// Minute of the day at which it opens, in `0..<1440`.
  public var startMinute: Int
  /// How many minutes it is open, in `1...10080`; it may last beyond midnight.
  public var minutes: Int

  /// Creates a window; nil if a number is out of its range, or no day is given.
  public init?(days: UInt8, startMinute: Int, minutes: Int) {
    guard (1...0x7F).contains(days), (0..<1440).contains(startMinute),
      (1...Self.week / 60).contains(minutes)
    else { return nil }
    (self.days, self.startMinute, self.minutes) = (days, startMinute, minutes)
  }

  static let week = 7 * 86_400

  /// Seconds since 1970 at which it is open next: `now` if it is.
  ///
  /// - Parameters:
  ///   - now: seconds since 1970.
  ///   - offset: seconds that the site's clock is ahead of UTC.
  /// - Returns: the time.
  public func opening(from now: Int64, offset: Int64) -> Int64 {
    // The first of January 1970 was a Thursday.
    let (week, local) = (Int64(Self.week), now + offset + 3 * 86_400)
    let second = (local % week + week) % week
    var wait = week
    for day in 0..<7 where days & 1 << day != 0 {
      let start = Int64(day) * 86_400 + Int64(startMinute) * 60
      let since = (second - start + week) % week
      if since < Int64(minutes) * 60 { return now }
      wait = min(wait, week - since)
    }
    return now + wait
  }
}

/// How long an app or a site may put an update off, counted from when the device learned of it.
public struct DeferralBudget: Equatable, Sendable {
  /// For ordinary updates, in seconds.
  public var seconds: Int64 = 7 * 86_400
  /// For those that the owner marked critical, in seconds.
  ///
  /// At its end windows do not hold either.
  public var criticalSeconds: Int64 = 24 * 3600

  /// The customary values.
  public init() {}
}

/// Why an app may not put an update off.
public enum DeferralRefusal: Error, Equatable, Sendable {
  /// There is no update to put off.
  case nothingPending
  /// It is put off already.
  case alreadyDeferred(until: Int64)
  /// The budget is used up.
  case budgetSpent
  /// A time that is not ahead.
  case notAhead
}

/// Whether a set that waits on a device may start now.
///
/// All times are seconds since 1970. The budget is kept here and not by the app that asks: no app can
/// put an update off for ever.
public struct UpdateGate: Equatable, Sendable {
  /// What the gate says.
  public enum Answer: Equatable, Sendable {
    /// Start the update.
    case open
    /// Ask again at this time; the code tells why.
    case closed(until: Int64, BehindReason)
  }

  /// Windows of the site; none means always.
  public var windows: [UpdateWindow]
  /// Seconds that the site's clock is ahead of UTC.
  public var offset: Int64
  /// The budget.
  public var budget: DeferralBudget
  /// When the device learned of the update; nil if there is none.
  public private(set) var learned: Int64?
  /// Whether the owner marked the update critical.
  public private(set) var isCritical = false
  /// Until when an app has put it off.
  public private(set) var deferred: Int64?
  private var isWantedNow = false

  /// Creates a gate before which nothing waits.
  public init(
    windows: [UpdateWindow] = [],
    offset: Int64 = 0,
    budget: DeferralBudget = DeferralBudget()
  ) {
    (self.windows, self.offset, self.budget) = (windows, offset, budget)
  }

  /// An update was learned of, at a time that is kept if it is the same one that waits already.
  public mutating func arrived(isCritical: Bool, isSame: Bool, now: Int64) {
    if !isSame || learned == nil { (learned, deferred, isWantedNow) = (now, nil, false) }
    self.isCritical = isCritical
  }

  /// The update was installed, or taken back.
  public mutating func ended() { (learned, deferred, isWantedNow) = (nil, nil, false) }

  /// A person wants the update at once.
  public mutating func wantNow() { isWantedNow = learned != nil }

  /// The end of the budget; nil if no update waits.
  public var budgetEnd: Int64? {
    learned.map { $0 + (isCritical ? min(budget.criticalSeconds, budget.seconds) : budget.seconds) }
  }

  /// An app puts the update off.
  ///
  /// - Returns: until when; the end of the budget, if that comes first.
  /// - Throws: why it may not.
  public mutating func postpone(
    until wanted: Int64,
    now: Int64
  ) throws(DeferralRefusal) -> Int64 {
    guard let end = budgetEnd else { throw .nothingPending }
    if let deferred, deferred > now { throw .alreadyDeferred(until: deferred) }
    guard wanted > now else { throw .notAhead }
    guard now < end, !isWantedNow else { throw .budgetSpent }
    deferred = min(wanted, end)
    return min(wanted, end)
  }

  /// An app takes its deferral back.
  public mutating func resume() { deferred = nil }

  /// Whether the update may start.
  public func answer(now: Int64) -> Answer {
    guard let end = budgetEnd, !isWantedNow else { return .open }
    // Marked critical after it was put off: the shorter budget counts.
    if let deferred, min(deferred, end) > now {
      return .closed(until: min(deferred, end), .deferred)
    }
    if isCritical, now >= end { return .open }
    guard let opening = windows.map({ $0.opening(from: now, offset: offset) }).min(), opening > now
    else { return .open }
    return .closed(until: isCritical ? min(opening, end) : opening, .outsideWindow)
  }
}
