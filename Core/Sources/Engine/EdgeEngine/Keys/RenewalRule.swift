/// When a certificate that the edge makes for itself ends, and when it is made anew (edge contract
/// section 4.5).
///
/// Clients have clocks of their own, so a certificate must not end before the edge knows that its time
/// has come. An edge whose clock is steady gives it its life. One whose clock is not (no battery, or
/// somebody has set it) cannot tell when a life is over: what it makes lasts as long as its issuer, and
/// is still made anew by the time that the edge has seen pass.
public struct RenewalRule: Equatable, Sendable {
  /// How long a certificate is valid, in seconds.
  public let lifeSeconds: Int64
  /// At which part of its life it is made anew, in hundredths.
  public let renewalPercent: Int
  /// Which part of its life passes before a renewal that failed is tried again, in hundredths.
  public let retryPercent: Int

  /// Creates a rule.
  public init(lifeSeconds: Int64, renewalPercent: Int = 80, retryPercent: Int = 4) {
    self.lifeSeconds = lifeSeconds
    self.renewalPercent = renewalPercent
    self.retryPercent = retryPercent
  }

  /// When a certificate that is made now ends; `limit` is the end of its issuer.
  public func end(of now: JudgedTime, limit: Int64) -> Int64 {
    now.isSteady ? min(now.seconds + lifeSeconds, limit) : limit
  }

  /// Whether a certificate is to be made anew.
  ///
  /// - Parameters:
  ///   - made: The best guess of the time when it was made.
  ///   - end: When it ends.
  ///   - now: The time now.
  ///   - limit: The end of its issuer.
  /// - Returns: True from the time on at which it is to be tried.
  public func isDue(made: Int64, end: Int64, now: JudgedTime, limit: Int64) -> Bool {
    // Made by a clock that ran ahead, it would last for as long as that clock was wrong.
    if made > now.seconds || now.seconds >= end { return true }
    if now.seconds - made >= lifeSeconds * Int64(renewalPercent) / 100 { return true }
    return now.isSteady ? end - made > lifeSeconds : end < limit
  }

  /// Whether a renewal that failed is tried again; at once where nothing that is valid is left.
  ///
  /// Near the end it is tried sooner, each time when half of what was left has passed.
  public func isRetryDue(failed: Int64, end: Int64, now: JudgedTime) -> Bool {
    let passed = now.seconds - failed
    let pause = min(lifeSeconds * Int64(retryPercent) / 100, (end - failed) / 2)
    return passed < 0 || passed >= pause || now.seconds >= end
  }
}
