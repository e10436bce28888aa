/// Times of metadata: `YYYY-MM-DDTHH:MM:SSZ`, always in UTC (TUF 1.0.34 §4.2.2).
public enum TUFTime {
  /// Seconds since 1970; nil if `text` is no such time, or not in the years 1970 to 9999.
  public static func seconds(_ text: String) -> Int64? {
    let bytes = Array(text.utf8)
    guard bytes.count == 20 else { return nil }
    let marks: [(Int, UInt8)] = [
      (4, UInt8(ascii: "-")), (7, UInt8(ascii: "-")), (10, UInt8(ascii: "T")),
      (13, UInt8(ascii: ":")), (16, UInt8(ascii: ":")), (19, UInt8(ascii: "Z")),
    ]
    for (place, mark) in marks where bytes[place] != mark { return nil }
    func number(_ range: Range<Int>) -> Int64? {
      var value: Int64 = 0
      for byte in bytes[range] {
        guard (0x30...0x39).contains(byte) else { return nil }
        value = value * 10 + Int64(byte - 0x30)
      }
      return value
    }
    guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
      let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
      year >= 1970, (1...12).contains(month), day >= 1, day <= daysOf(month, year),
      hour < 24, minute < 60, second < 60
    else { return nil }
    return days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
  }

  /// The text of a time, held within the years 1970 to 9999.
  public static func text(_ seconds: Int64) -> String {
    let seconds = min(max(seconds, 0), 253_402_300_799)
    let (day, rest) = seconds.quotientAndRemainder(dividingBy: 86_400)
    var year: Int64 = 1970 + day / 366
    while days(year + 1, 1, 1) <= day { year += 1 }
    var month: Int64 = 1
    while month < 12, days(year, month + 1, 1) <= day { month += 1 }
    func padded(_ value: Int64, _ count: Int) -> String {
      let digits = String(value)
      return String(repeating: "0", count: max(count - digits.utf8.count, 0)) + digits
    }
    let date = [padded(year, 4), padded(month, 2), padded(day - days(year, month, 1) + 1, 2)]
    let time = [padded(rest / 3600, 2), padded(rest / 60 % 60, 2), padded(rest % 60, 2)]
    return date.joined(separator: "-") + "T" + time.joined(separator: ":") + "Z"
  }

  /// Days from 1970 to a day of the Gregorian calendar.
  private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let past = year - 1
    let leaps = past / 4 - past / 100 + past / 400 - 477
    var days = (year - 1970) * 365 + leaps + day - 1
    for earlier in 1..<max(month, 1) { days += daysOf(earlier, year) }
    return days
  }

  private static func daysOf(_ month: Int64, _ year: Int64) -> Int64 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }
}
