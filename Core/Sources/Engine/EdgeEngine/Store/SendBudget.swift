public import ByteIO

/// How many bytes may leave in a day, and how many of them for which messages.
///
/// Each class of priorities has a bucket, which its share of the day's bytes fills evenly. A message
/// takes from its own class, and if that has nothing left from a less important one, never from a more
/// important. What a full bucket cannot hold goes to the next less important one that can. A bucket
/// may go below zero by one message, so that the largest message passes the smallest budget, and pays
/// for itself later: in any time as many bytes leave as that time's part of the day, the burst, and
/// one message of each class.
public struct SendBudget: Equatable, Sendable {
  /// A class of priorities.
  public struct Share: Equatable, Sendable {
    /// The least important priority in it; 0 is the most important of all.
    public let lastPriority: UInt32
    /// Its part of the bytes, of 100.
    public let percent: UInt8

    /// Creates a class that begins behind the one before it.
    public init(lastPriority: UInt32, percent: UInt8) {
      self.lastPriority = lastPriority
      self.percent = percent
    }
  }

  /// Why there is no such budget.
  public enum Fault: Error, Equatable, Sendable {
    /// It allows no byte, or more than can be counted.
    case bytes
    /// The shares add up to this, and not to 100.
    case sum(Int)
    /// The shares do not stand in the order of their priorities.
    case order
  }

  private struct Bucket: Equatable {
    let share: Share
    /// What flows in, in a day.
    let bytesPerDay: UInt64
    let capacity: Int64
    var balance: Int64
    /// What has flowed in and is no whole byte yet.
    var remainder: UInt64 = 0
  }

  /// The most bytes of a day.
  public static let limit: UInt64 = 1 << 60
  private static let dayNanoseconds: UInt64 = 86_400_000_000_000
  /// What a class owes at most.
  private static let lowest = Int64.min / 4

  private var buckets: [Bucket]
  private var last: Instant

  /// A budget whose buckets are full.
  ///
  /// - Parameters:
  ///   - bytesPerDay: all classes together.
  ///   - shares: from the most important class to the least; what is less important than the last one
  ///     belongs to it.
  ///   - burstBytes: what all buckets hold together; an hour's part if not given.
  ///   - now: the time.
  /// - Throws: `Fault`.
  public init(
    bytesPerDay: UInt64,
    shares: [Share] = [Share(lastPriority: .max, percent: 100)],
    burstBytes: UInt64? = nil,
    now: Instant
  ) throws(Fault) {
    let burst = burstBytes ?? bytesPerDay / 24
    guard (1...Self.limit).contains(bytesPerDay), burst <= Self.limit else { throw .bytes }
    let sum = shares.reduce(0) { $0 + Int($1.percent) }
    guard sum == 100 else { throw .sum(sum) }
    for (first, second) in zip(shares, shares.dropFirst())
    where first.lastPriority >= second.lastPriority {
      throw .order
    }
    buckets = shares.map { share in
      let capacity = max(1, Int64(clamping: Self.part(of: burst, share.percent)))
      return Bucket(
        share: share,
        bytesPerDay: Self.part(of: bytesPerDay, share.percent),
        capacity: capacity,
        balance: capacity
      )
    }
    last = now
  }

  /// What is left in each class, for who keeps it over a restart; below zero is owed.
  public var balances: [Int64] { buckets.map(\.balance) }

  /// Goes on with what was left; balances of another number of classes are ignored.
  public mutating func restore(_ balances: [Int64]) {
    guard balances.count == buckets.count else { return }
    for (index, balance) in balances.enumerated() {
      buckets[index].balance = min(max(balance, Self.lowest), buckets[index].capacity)
    }
  }

  /// Takes the bytes of a message that is about to be sent; false, and nothing is taken, if it has to
  /// wait.
  public mutating func take(_ byteCount: Int, priority: UInt32, now: Instant) -> Bool {
    refill(now)
    let own = bucket(of: priority)
    guard let index = buckets.indices[own...].first(where: { buckets[$0].balance > 0 }) else {
      return false
    }
    let (balance, overflow) = buckets[index].balance.subtractingReportingOverflow(
      Int64(clamping: max(0, byteCount))
    )
    buckets[index].balance = overflow ? Self.lowest : max(balance, Self.lowest)
    return true
  }

  /// Bytes that `take` would take now without owing any; 0 if a message of this priority has to wait.
  public mutating func allowance(priority: UInt32, now: Instant) -> Int {
    refill(now)
    let own = bucket(of: priority)
    return Int(clamping: buckets[own...].first { $0.balance > 0 }?.balance ?? 0)
  }

  /// When a message of this priority may be tried again, if nothing else is sent; `now` if it may be.
  public func nextChance(priority: UInt32, now: Instant) -> Instant {
    var copy = self
    copy.refill(now)
    let waits = copy.buckets[copy.bucket(of: priority)...].map { bucket -> UInt64 in
      guard bucket.balance <= 0 else { return 0 }
      guard bucket.bytesPerDay > 0 else { return .max }
      let missing = (0 - bucket.balance).magnitude + 1
      let wide = missing.multipliedFullWidth(by: Self.dayNanoseconds)
      guard wide.high < bucket.bytesPerDay else { return .max }
      return bucket.bytesPerDay.dividingFullWidth(wide).quotient
    }
    let wait = waits.min() ?? 0
    let (sum, overflow) = now.nanoseconds.addingReportingOverflow(wait)
    return Instant(nanoseconds: overflow ? .max : sum)
  }

  private func bucket(of priority: UInt32) -> Int {
    buckets.firstIndex { priority <= $0.share.lastPriority } ?? buckets.count - 1
  }

  private mutating func refill(_ now: Instant) {
    guard now > last else { return }
    let elapsed = min(now.nanoseconds - last.nanoseconds, Self.dayNanoseconds)
    last = now
    var surplus: Int64 = 0
    for index in buckets.indices {
      let bucket = buckets[index]
      var wide = bucket.bytesPerDay.multipliedFullWidth(by: elapsed)
      let (low, carried) = wide.low.addingReportingOverflow(bucket.remainder)
      wide = (wide.high + (carried ? 1 : 0), low)
      // At most a day has passed, so the quotient is at most the day's bytes.
      let (bytes, remainder) = Self.dayNanoseconds.dividingFullWidth(wide)
      buckets[index].remainder = remainder
      let room = bucket.capacity - bucket.balance
      let more = Int64(clamping: bytes) + surplus
      buckets[index].balance += min(more, room)
      surplus = max(0, more - room)
    }
  }

  private static func part(of bytes: UInt64, _ percent: UInt8) -> UInt64 {
    bytes / 100 * UInt64(percent) + bytes % 100 * UInt64(percent) / 100
  }
}
