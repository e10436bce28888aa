public import HubContract
import JSONTree

/// Which lines of a module's log are wanted (edge contract section 3.8).
public struct LogFilter: Equatable, Sendable {
  /// So many lines at the end.
  public var tail: Int?
  /// From then on.
  public var since: Timestamp?
  /// Up to then.
  public var until: Timestamp?
  /// Lines of this level and of more urgent ones (edge contract section 16, DIFF 10).
  public var logLevel: Int?
  /// Lines that this regular expression is found in.
  public var pattern: String?

  /// Wants everything.
  public init() {}

  /// Reads the `filter` of a request; `now` is what durations are counted back from.
  init(_ fields: BodyFields, now: Timestamp) throws(HubError) {
    if let tail = try fields.integer("tail") {
      guard (1...1_000_000).contains(tail) else {
        throw fields.invalid("tail", "must be 1 to 1000000, but is \(tail).")
      }
      self.tail = Int(tail)
    }
    since = try Self.time(fields, "since", now)
    until = try Self.time(fields, "until", now)
    if let level = try fields.integer("loglevel") {
      guard (0...7).contains(level) else {
        throw fields.invalid("loglevel", "must be 0 to 7, but is \(level).")
      }
      logLevel = Int(level)
    }
    if let pattern = try fields.string("regex") {
      guard pattern.utf8.count <= Self.patternLimit, (try? Regex(pattern)) != nil else {
        throw fields.invalid("regex", "is no regular expression of at most 1000 bytes.")
      }
      self.pattern = pattern
    }
  }

  private static let patternLimit = 1000

  private static func time(
    _ fields: BodyFields,
    _ key: String,
    _ now: Timestamp
  ) throws(HubError) -> Timestamp? {
    switch fields.value(key) {
    case nil, .null: return nil
    case .number(let number):
      guard let seconds = number.integer else {
        throw fields.invalid(key, "must be whole seconds.")
      }
      return Timestamp(seconds: seconds)
    default:
      let text = try fields.requiredString(key)
      guard let time = LogTime.parse(text, now: now) else {
        throw fields.invalid(
          key,
          "must be a time (2026-01-02T03:04:05Z), seconds since 1970, or a span like \"2 days\"."
        )
      }
      return time
    }
  }
}

/// Points in time as people write them for logs.
public enum LogTime {
  /// Reads Unix seconds, a time of RFC 3339, or a span before `now` such as `2 days` or `1h30m`;
  /// nil for what is none of them.
  public static func parse(_ text: String, now: Timestamp) -> Timestamp? {
    let text = text.trimmed
    if let seconds = Int64(text) { return Timestamp(seconds: seconds) }
    if let time = Timestamp(iso8601: text) { return time }
    return seconds(text).map { now.adding(seconds: -$0) }
  }

  private static let units: [(names: [String], seconds: Int64)] = [
    (["s", "sec", "secs", "second", "seconds"], 1),
    (["m", "min", "mins", "minute", "minutes"], 60),
    (["h", "hr", "hrs", "hour", "hours"], 3600), (["d", "day", "days"], 86_400),
    (["w", "week", "weeks"], 7 * 86_400),
  ]

  private static func seconds(_ text: String) -> Int64? {
    var rest = text[...]
    var sum: Int64 = 0
    while !rest.isEmpty {
      rest = rest.drop { $0 == " " }
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      rest = rest.dropFirst(digits.count).drop { $0 == " " }
      let word = rest.prefix { $0.isASCII && $0.isLetter }
      rest = rest.dropFirst(word.count).drop { $0 == " " }
      guard let count = Int64(digits), !word.isEmpty,
        let unit = units.first(where: { $0.names.contains(word.lowercased()) })
      else { return nil }
      let (product, overflow) = count.multipliedReportingOverflow(by: unit.seconds)
      let (total, carried) = sum.addingReportingOverflow(product)
      if overflow || carried { return nil }
      sum = total
    }
    return text.isEmpty ? nil : sum
  }
}
