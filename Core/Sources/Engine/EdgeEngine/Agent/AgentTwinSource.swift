public import ByteIO
public import JSONTree

/// Keeps the desired properties of `$edgeAgent` up to date: when to read the twin, and which patches
/// to use (edge contract section 3.2).
///
/// ```
/// connected ──▶ read ──▶ patches, each one version on ──▶ …      every hour: read
///                 │                 │
///                 │ fails           └ another version: read
///                 └▶ again, later and later ──▶ rebuild the connection, once
/// ```
///
/// The driver calls `timeout` at `nextDeadline`, does what that says, and tells how it went.
public struct AgentTwinSource: Sendable {
  /// What to do now.
  public enum Action: Equatable, Sendable {
    /// Nothing.
    case none
    /// Ask for the whole twin.
    case read
    /// End the connection and make another.
    case rebuild
  }

  /// Seconds from one full read to the next at least, so that an unsteady link is not used up by them.
  public static let spacingSeconds: UInt64 = 30
  /// Seconds from a failed reading to the next, by the number of failures.
  static let retrySeconds: [UInt64] = [2, 10, 60]

  /// Seconds after which the twin is read although nothing was missed.
  public let refreshSeconds: UInt64
  /// The version that is known, nil before the first reading.
  public private(set) var version: Int64?
  /// The desired properties of that version.
  public private(set) var desired = JSONObject()

  private var isConnected = false
  /// Whether a reading is under way, and whether a patch was used meanwhile.
  private var reading: (isPatched: Bool, Void)?
  private var lastRead: Instant?
  private var due: Instant?
  private var failures = 0
  private var wasRebuilt = false

  /// Creates the source, which knows nothing.
  public init(refreshSeconds: UInt64 = 3600) { self.refreshSeconds = refreshSeconds }

  /// When `timeout` is to be called, nil while there is nothing to wait for.
  public var nextDeadline: Instant? { isConnected && reading == nil ? due : nil }

  /// There is a connection, and the subscriptions are made.
  public mutating func connected(now: Instant) {
    isConnected = true
    reading = nil
    want(now)
  }

  /// The connection has ended.
  public mutating func linkLost() {
    isConnected = false
    reading = nil
    due = nil
  }

  /// A deadline has come.
  public mutating func timeout(now: Instant) -> Action {
    guard let deadline = nextDeadline, deadline <= now else { return .none }
    due = nil
    if failures > Self.retrySeconds.count, !wasRebuilt {
      wasRebuilt = true
      failures = 0
      return .rebuild
    }
    reading = (isPatched: false, ())
    lastRead = now
    return .read
  }

  /// The twin was read.
  ///
  /// - Returns: whether the desired properties are others than before.
  public mutating func received(
    _ desired: JSONObject,
    version: Int64,
    now: Instant
  ) -> Bool {
    let wasPatched = reading?.isPatched ?? false
    reading = nil
    failures = 0
    wasRebuilt = false
    due = now.adding(milliseconds: refreshSeconds * 1000)
    // A patch has overtaken the answer; the answer would undo it.
    if wasPatched, let known = self.version, known >= version { return false }
    let isChanged = self.version != version || self.desired != desired
    (self.version, self.desired) = (version, desired)
    return isChanged
  }

  /// The twin could not be read.
  public mutating func readingFailed(now: Instant) {
    reading = nil
    failures += 1
    let wait = Self.retrySeconds[min(failures, Self.retrySeconds.count) - 1]
    due = now.adding(milliseconds: wait * 1000)
  }

  /// Desired properties have changed.
  ///
  /// - Returns: whether the patch was used; if not, the twin will be read.
  public mutating func patched(_ patch: JSONObject, version: Int64, now: Instant) -> Bool {
    guard let known = self.version, known < .max, version == known + 1 else {
      // One that is known already changes nothing.
      if let known = self.version, version == known { return false }
      want(now)
      return false
    }
    self.version = version
    desired.merge(patch: patch)
    if reading != nil { reading = (isPatched: true, ()) }
    return true
  }

  /// Plans a full read, not too soon after the one before.
  private mutating func want(_ now: Instant) {
    guard reading == nil || !isConnected else {
      // The answer that is on its way may be older than what was missed.
      reading = (isPatched: true, ())
      return
    }
    let earliest = lastRead?.adding(milliseconds: Self.spacingSeconds * 1000) ?? now
    due = max(earliest, now)
  }
}
