public import HubContract

extension EndpointDelivery.Failure {
  /// What a webhook's answer says about the request; nil if it took the events.
  ///
  /// Only answers that blame the request itself give an event up: a proxy's 404 while a service is
  /// rolled out, or a credential that ran out, would otherwise cost every event until somebody looks.
  /// 410 does, since a receiver that has been retired says so by it (CloudEvents HTTP 1.1 Web Hooks
  /// §2.2). Redirections are not followed, for they would take the credential elsewhere.
  ///
  /// - Parameters:
  ///   - status: the status of the answer.
  ///   - retryAfter: its Retry-After, as it came.
  ///   - now: the time by the wall clock, which a date is counted from.
  public init?(status: Int, retryAfter: String?, now: Timestamp) {
    switch status {
    case 200..<300: return nil
    case 401, 402, 403, 404, 405, 407, 408, 421, 423, 424, 425, 429:
      self = .unavailable(retryAfterMilliseconds: RetryAfter.milliseconds(retryAfter, now: now))
    case 400..<500: self = .rejected
    default:
      self = .unavailable(retryAfterMilliseconds: RetryAfter.milliseconds(retryAfter, now: now))
    }
  }
}

/// Reading of the header Retry-After (RFC 9110 §10.2.3).
enum RetryAfter {
  private static let months: [Substring] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
  ]

  /// How long to wait; nil for no header, or one that says nothing.
  static func milliseconds(_ text: String?, now: Timestamp) -> UInt64? {
    guard let text = text?.lowercased() else { return nil }
    if let seconds = UInt64(text) {
      let (milliseconds, overflow) = seconds.multipliedReportingOverflow(by: 1000)
      return overflow ? .max : milliseconds
    }
    return date(text).map { UInt64(clamping: max($0.milliseconds - now.milliseconds, 0)) }
  }

  /// A date of the one form that may be sent, such as `Sun, 06 Nov 1994 08:49:37 GMT` (§5.6.7), in
  /// lower case.
  private static func date(_ text: String) -> Timestamp? {
    let parts = text.split(separator: " ")
    guard parts.count == 6, parts[5] == "gmt", parts[1].utf8.count == 2, parts[3].utf8.count == 4,
      let month = months.firstIndex(of: parts[2])
    else { return nil }
    let number = month < 9 ? "0\(month + 1)" : "\(month + 1)"
    return Timestamp(iso8601: "\(parts[3])-\(number)-\(parts[1])T\(parts[4])Z")
  }
}
