public import HubContract
public import JSONTree

/// Whether an endpoint takes messages, as the hub's owner sees it.
///
/// Failures in a row decide: none is `healthy`, the first ones `degraded`, more `unhealthy`, and
/// `dead` once nothing has got through for `deadAfterSeconds`. Even a dead endpoint is tried again, as
/// seldom as the retry policy allows: one success makes it `healthy`.
public struct EndpointHealth: Equatable, Sendable {
  /// The states that the original names.
  public enum Status: String, Sendable, CaseIterable {
    /// Nothing was sent yet.
    case unknown
    /// It takes messages.
    case healthy
    /// It has begun to fail.
    case degraded
    /// It fails again and again.
    case unhealthy
    /// It has failed for so long that somebody has to look.
    case dead
  }

  /// Failures in a row from which on an endpoint is unhealthy.
  public static let unhealthyFailures = 3
  /// Seconds without a success after which a failing endpoint is dead.
  public static let deadAfterSeconds: Int64 = 86_400
  /// Characters of an error that are kept.
  public static let errorCharacters = 500

  /// Failures since the last success.
  public private(set) var failures = 0
  /// The last error, kept after it is over.
  public private(set) var lastError: String?
  /// When it was.
  public private(set) var lastErrorTime: Timestamp?
  /// When something was last sent.
  public private(set) var lastAttemptTime: Timestamp?
  /// When something last got through.
  public private(set) var lastSuccessTime: Timestamp?
  /// Events that were gone before they were delivered, at most: some may have been for others.
  public private(set) var lostCount: UInt64 = 0
  private var failingSince: Timestamp?

  /// Nothing was sent yet.
  public init() {}

  /// Takes note that something is being sent.
  public mutating func attempted(now: Timestamp) { lastAttemptTime = now }

  /// Takes note that something got through.
  public mutating func succeeded(now: Timestamp) {
    lastSuccessTime = now
    failures = 0
    failingSince = nil
  }

  /// Takes note of a failure; `error` must not hold a part of a message.
  public mutating func failed(_ error: String, now: Timestamp) {
    failures += 1
    failingSince = failingSince ?? now
    lastError = String(error.prefix(Self.errorCharacters))
    lastErrorTime = now
  }

  /// Takes note that `count` events were gone from the log before they were delivered.
  public mutating func lost(_ count: UInt64, now: Timestamp) {
    let (sum, overflow) = lostCount.addingReportingOverflow(count)
    lostCount = overflow ? .max : sum
    failed("At most \(count) events were gone before they were delivered.", now: now)
  }

  /// The state at `now`.
  public func status(now: Timestamp) -> Status {
    guard let failingSince else { return lastSuccessTime == nil ? .unknown : .healthy }
    if failingSince.adding(seconds: Self.deadAfterSeconds) <= now { return .dead }
    return failures < Self.unhealthyFailures ? .degraded : .unhealthy
  }

  /// The form in a list of endpoints' health.
  ///
  /// `isDraining` tells of an endpoint that was removed and still gets what was sent to it before.
  public func json(endpoint: String, isDraining: Bool = false, now: Timestamp) -> JSONValue {
    func text(_ time: Timestamp?) -> JSONValue { time.map { .string($0.iso8601) } ?? .null }
    return [
      "endpointId": .string(endpoint), "healthStatus": .string(status(now: now).rawValue),
      "lastKnownError": lastError.map { .string($0) } ?? .null,
      "lastKnownErrorTime": text(lastErrorTime),
      "lastSendAttemptTime": text(lastAttemptTime),
      "lastSuccessfulSendAttemptTime": text(lastSuccessTime),
      "lostEventCount": .int(Int64(clamping: lostCount)), "isDraining": .bool(isDraining),
    ]
  }
}
