public import ByteIO
public import HubContract

/// What rates can be set for (contract §10).
public enum ThrottleClass: String, Sendable, CaseIterable {
  /// Connections of devices.
  case connections
  /// Messages that devices send.
  case deviceToCloudSends
  /// Messages to devices.
  case cloudToDeviceSends
  /// Direct methods.
  case directMethods
  /// Reading and writing identities.
  case registry
  /// Reading twins, by devices and services.
  case twinReads
  /// Writing twins, by devices and services.
  case twinUpdates
  /// Queries.
  case queries
}

/// A rate: so many a second on average, and a few more at once.
public struct ThrottleRate: Equatable, Sendable {
  /// How many in `seconds`, at least 1.
  public var count: UInt32
  /// In how many seconds, at least 1.
  public var seconds: UInt32
  /// How many may come at once after a quiet time, at least 1.
  public var burst: UInt32

  /// Creates a rate; zeroes count as 1.
  public init(_ count: UInt32, perSeconds seconds: UInt32 = 1, burst: UInt32) {
    self.count = max(count, 1)
    self.seconds = max(seconds, 1)
    self.burst = max(burst, 1)
  }

  /// Nanoseconds that one takes.
  var interval: UInt64 { UInt64(seconds) * 1_000_000_000 / UInt64(count) }
}

/// Token buckets, one a class; a class without a rate is never held up.
///
/// Each bucket is one instant: when it would be full again. REST refuses with 429001 what comes too
/// early, MQTT stops reading for the time that is answered (contract §10).
public struct Throttles: Sendable {
  /// The rates; absent means none.
  public let rates: [ThrottleClass: ThrottleRate]
  private var fullAt: [ThrottleClass: UInt64] = [:]

  /// Creates full buckets; without rates nothing is ever held up.
  public init(_ rates: [ThrottleClass: ThrottleRate] = [:]) { self.rates = rates }

  /// Takes a token if there is one.
  ///
  /// - Parameters:
  ///   - throttled: the class.
  ///   - now: the time.
  /// - Returns: 0, or how many milliseconds until there is one; then nothing was taken.
  public mutating func take(_ throttled: ThrottleClass, now: Instant) -> UInt64 {
    guard let rate = rates[throttled] else { return 0 }
    let interval = rate.interval
    let full = max(fullAt[throttled] ?? 0, now.nanoseconds)
    let ahead = full - now.nanoseconds
    let room = interval * UInt64(rate.burst - 1)
    guard ahead <= room else { return (ahead - room + 999_999) / 1_000_000 }
    fullAt[throttled] = full.addingReportingOverflow(interval).partialValue
    return 0
  }

  /// Takes a token even if there is none, for what has happened already.
  ///
  /// - Parameters:
  ///   - throttled: the class.
  ///   - count: how many.
  ///   - now: the time.
  /// - Returns: how many milliseconds to stop, 0 for none.
  public mutating func charge(
    _ throttled: ThrottleClass,
    count: UInt32 = 1,
    now: Instant
  ) -> UInt64 {
    guard let rate = rates[throttled] else { return 0 }
    let interval = rate.interval
    let full =
      max(fullAt[throttled] ?? 0, now.nanoseconds) &+ interval &* UInt64(count)
    fullAt[throttled] = full
    let ahead = full - now.nanoseconds
    let room = interval * UInt64(rate.burst)
    return ahead <= room ? 0 : (ahead - room + 999_999) / 1_000_000
  }

  /// Lets a request pass or refuses it.
  ///
  /// - Throws: 429001; the answer's `Retry-After` is `retryAfterSeconds`.
  public mutating func admit(
    _ throttled: ThrottleClass,
    now: Instant
  ) throws(ThrottleRefusal) {
    let wait = take(throttled, now: now)
    guard wait == 0 else { throw ThrottleRefusal(retryAfterSeconds: (wait + 999) / 1000) }
  }
}

/// A refusal with 429001.
public struct ThrottleRefusal: Error, Equatable, Sendable {
  /// When to come back, in seconds, at least 1.
  public var retryAfterSeconds: UInt64

  /// The answer.
  public var error: HubError {
    HubError(.throttlingException, "Too many requests; try again in \(retryAfterSeconds) s.")
  }
}
