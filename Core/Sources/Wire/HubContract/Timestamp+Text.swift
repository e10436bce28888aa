extension Timestamp {
  /// The text of the hub's bodies: `2026-01-02T03:04:05.1234567Z`, always seven digits of fraction.
  ///
  /// `never` alone has no fraction: `0001-01-01T00:00:00Z` (contract §7.1).
  public var iso8601: String {
    let second = seconds
    let (date, clock) = Self.split(second)
    let (year, month, day) = Self.civil(daysSinceEpoch: date)
    var text = [UInt8]()
    text.reserveCapacity(28)
    func digits(_ value: Int64, _ count: Int) {
      var divisor: Int64 = 1
      for _ in 1..<count { divisor *= 10 }
      while divisor > 0 {
        text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10))
        divisor /= 10
      }
    }
    digits(year, 4)
    text.append(UInt8(ascii: "-"))
    digits(month, 2)
    text.append(UInt8(ascii: "-"))
    digits(day, 2)
    text.append(UInt8(ascii: "T"))
    digits(clock / 3600, 2)
    text.append(UInt8(ascii: ":"))
    digits(clock / 60 % 60, 2)
    text.append(UInt8(ascii: ":"))
    digits(clock % 60, 2)
    if self != .never {
      text.append(UInt8(ascii: "."))
      digits(ticks - second * Self.ticksPerSecond, 7)
    }
    text.append(UInt8(ascii: "Z"))
    return String(decoding: text, as: UTF8.self)
  }

  /// Reads an ISO 8601 date and time: `yyyy-MM-ddTHH:mm:ss`, a fraction, a zone.
  ///
  /// The fraction has one to nine digits or is absent; digits beyond the seventh are dropped. The
  /// zone is `Z`, `+hh:mm`, `-hh:mm` or absent, which means UTC: stock clients send `isoformat()` of
  /// naive UTC times (contract §3.4). Nil for anything else, for a date that does not exist and for
  /// one outside years 1 to 9999.
  public init?(iso8601 text: some Collection<UInt8>) {
    var parser = TimestampParser(rest: [UInt8](text.prefix(40))[...])
    guard let ticks = parser.ticks() else { return nil }
    self.init(ticks: ticks)
    guard self.ticks == ticks else { return nil }
  }

  /// Reads an ISO 8601 date and time; see the form that takes bytes.
  public init?(iso8601 text: String) { self.init(iso8601: text.utf8) }

  private static func split(_ second: Int64) -> (day: Int64, clock: Int64) {
    let (quotient, remainder) = second.quotientAndRemainder(dividingBy: 86_400)
    return remainder < 0 ? (quotient - 1, remainder + 86_400) : (quotient, remainder)
  }

  // Both directions count years from March, so that the leap day is the last of its year, within
  // eras of 400 years (146,097 days), where the Gregorian calendar repeats.
  private static func civil(daysSinceEpoch: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = daysSinceEpoch + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
  }

  fileprivate static func daysSinceEpoch(year: Int64, month: Int64, day: Int64) -> Int64 {
    let marchYear = month <= 2 ? year - 1 : year
    let era = marchYear / 400
    let yearOfEra = marchYear - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }
}

/// Takes the parts of an ISO 8601 text off its front.
private struct TimestampParser {
  var rest: ArraySlice<UInt8>

  mutating func ticks() -> Int64? {
    guard let year = number(4), year >= 1, take("-"), let month = number(2),
      (1...12).contains(month), take("-"), let day = number(2), day >= 1,
      day <= Self.days(in: month, of: year), take("T"),
      let hour = number(2), hour < 24, take(":"), let minute = number(2), minute < 60,
      take(":"), let second = number(2), second < 60, let fraction = fraction(),
      let zoneMinutes = zoneMinutes(), rest.isEmpty
    else { return nil }
    let days = Timestamp.daysSinceEpoch(year: year, month: month, day: day)
    let seconds = days * 86_400 + hour * 3600 + (minute - zoneMinutes) * 60 + second
    return seconds * Timestamp.ticksPerSecond + fraction
  }

  private mutating func fraction() -> Int64? {
    guard take(".") else { return 0 }
    var ticks: Int64 = 0
    var count = 0
    while let digit = rest.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) {
      if count < 7 { ticks = ticks * 10 + Int64(digit - UInt8(ascii: "0")) }
      count += 1
      rest.removeFirst()
    }
    guard (1...9).contains(count) else { return nil }
    for _ in min(count, 7)..<7 { ticks *= 10 }
    return ticks
  }

  private mutating func zoneMinutes() -> Int64? {
    if rest.isEmpty || take("Z") { return 0 }
    let sign: Int64
    if take("+") {
      sign = 1
    } else if take("-") {
      sign = -1
    } else {
      return nil
    }
    guard let hours = number(2), hours < 24, take(":"), let minutes = number(2), minutes < 60 else {
      return nil
    }
    return sign * (hours * 60 + minutes)
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard rest.first == UInt8(ascii: character) else { return false }
    rest.removeFirst()
    return true
  }

  private mutating func number(_ count: Int) -> Int64? {
    guard rest.count >= count else { return nil }
    var value: Int64 = 0
    for digit in rest.prefix(count) {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + Int64(digit - UInt8(ascii: "0"))
    }
    rest.removeFirst(count)
    return value
  }

  private static func days(in month: Int64, of year: Int64) -> Int64 {
    switch month {
    case 4, 6, 9, 11: 30
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    default: 31
    }
  }
}
