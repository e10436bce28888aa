import HubContract

/// The time in a `Date` header (RFC 9110 §5.6.7).
package enum HTTPDate {
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// How long a `Retry-After` header asks to wait (RFC 9110 §10.2.3).
  ///
  /// - Parameters:
  ///   - text: A number of seconds, or a time.
  ///   - date: The time of the answer, seconds since 1970.
  /// - Returns: Seconds, nil for what is no such header.
  package static func delay(_ text: String, from date: Int64) -> Int64? {
    if let seconds = Int64(text) { return max(seconds, 0) }
    return seconds(text).map { max($0 - date, 0) }
  }

  /// Seconds since 1970 of a text like `Sun, 06 Nov 1994 08:49:37 GMT`, nil for any other form.
  package static func seconds(_ text: String) -> Int64? {
    let words = text.split(separator: " ")
    guard words.count == 6, words[0].hasSuffix(","), words[5] == "GMT",
      let month = months.firstIndex(where: { $0 == words[2] })
    else { return nil }
    let number = month + 1 < 10 ? "0\(month + 1)" : "\(month + 1)"
    return Timestamp(iso8601: "\(words[3])-\(number)-\(words[1])T\(words[4])Z")?.seconds
  }
}
