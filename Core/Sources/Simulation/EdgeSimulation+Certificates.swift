import ByteIO
import EdgeEngine
import HubContract
import MessageLog

extension EdgeSimulation {
  /// How often the edge looks at its certificates, once something has changed.
  static var certificateInterval: UInt64 { 60_000 }
  /// Renewals that fail one after the other, at most.
  private static var failureLimit: Int { 2 }

  private static var rootEnd: Int64 {
    Int64((begin + EdgeSimCertificate.rootYears * 365 * day) / 1000)
  }

  /// What the edge knows of the time.
  private mutating func judgedTime() -> JudgedTime {
    let time = time()
    let wall = Int64(clamping: wall / 1000)
    if mistake == .trustsTheClockForCertificates {
      return JudgedTime(seconds: wall, least: wall, isSteady: true)
    }
    let isSteady = node?.clock.state.keepsTime ?? false
    return JudgedTime(
      seconds: wall,
      least: Int64(clamping: time.calendar / 1000),
      isSteady: isSteady
    )
  }

  /// Makes the authority anew when it is time; the local hub then gets a certificate from it.
  mutating func keepCertificates() {
    guard node != nil else { return }
    let now = judgedTime()
    if isRenewalDue(now) { renew(now) }
    let ending = node?.authority?.end
    guard let ending else { return hub.fail("it has no certificate") }
    if mistake == .keepsItsCertificate, node?.shown != nil { return }
    let end = EdgeSimCertificate.rule.end(of: now, limit: ending)
    node?.shown = EdgeSimCertificate(made: now.seconds, end: end)
  }

  private mutating func isRenewalDue(_ now: JudgedTime) -> Bool {
    let known = node?.authority
    guard let authority = known else { return true }
    let (rule, end) = (EdgeSimCertificate.rule, authority.end)
    if mistake == .renewsWhenEnded {
      // The first one, of an edge that does not know the time yet, gives way to one of a usual life.
      let isLong = now.isSteady && end - authority.made > rule.lifeSeconds
      return isLong || now.seconds >= end
    }
    let isDue = rule.isDue(made: authority.made, end: end, now: now, limit: Self.rootEnd)
    let failed = node?.failedRenewal
    guard isDue, let failed else { return isDue }
    return rule.isRetryDue(failed: failed, end: end, now: now)
  }

  private mutating func renew(_ now: JudgedTime) {
    let old = node?.authority
    if let old {
      // Now and then there is no room. Of one that has ended a renewal is tried every minute.
      if now.seconds < old.end, failedRenewals < Self.failureLimit,
        Int.random(in: 0..<4, using: &generator) == 0
      {
        failedRenewals += 1
        report.failedRenewalCount += 1
        node?.failedRenewal = now.seconds
        return
      }
      report.renewalCount += 1
    }
    failedRenewals = 0
    node?.failedRenewal = nil
    let end = EdgeSimCertificate.rule.end(of: now, limit: Self.rootEnd)
    let made = EdgeSimCertificate(made: now.seconds, end: end)
    let time = time()
    if node?.storeAuthority(made, time) != true { hub.fail("its certificate is not stored") }
  }

  /// Whether a sender believes the certificate that it is shown.
  ///
  /// Devices have clocks of their own,
  /// which are right; modules have the edge's.
  mutating func isTrusted(by index: Int) -> Bool {
    let certificate = node?.shown
    guard let shown = certificate else { return false }
    let (sender, trueTime) = (senders[index], Self.begin + now)
    let isModule = sender.identity.moduleID != nil
    let clock = Int64(clamping: (isModule ? wall : trueTime) / 1000)
    if clock < shown.end { return true }
    // A clock that was just set needs a minute to be seen.
    guard isModule, now - clockSet <= Self.certificateInterval else {
      hub.fail("\(sender.identity) is shown a certificate that ended at \(shown.end), at \(clock)")
      return false
    }
    return false
  }
}

extension EdgeSimNode {
  fileprivate mutating func storeAuthority(_ made: EdgeSimCertificate, _ time: EdgeTime) -> Bool {
    guard (try? state.put(EdgeSimCertificate.key, made.bytes.span)) != nil,
      (try? state.commit(now: time.calendar)) != nil
    else { return false }
    authority = made
    return true
  }
}
