/// Times of the settings file, such as `7d` and `1d 12h`.
enum SettingsDuration {
  /// The seconds of a time, nil for what is none or too long for a number.
  static func seconds(_ text: String) -> Int64? {
    var total: Int64 = 0
    var rest = text.utf8[...]
    guard !rest.isEmpty else { return nil }
    while !rest.isEmpty {
      rest = rest.drop { $0 == UInt8(ascii: " ") }
      let digits = rest.prefix { (0x30...0x39).contains($0) }
      guard let count = Int64(String(Substring(digits))) else { return nil }
      rest = rest[digits.endIndex...].drop { $0 == UInt8(ascii: " ") }
      let letters = rest.prefix { $0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A }
      rest = rest[letters.endIndex...]
      guard let unit = unit(String(Substring(letters))) else { return nil }
      let (product, isTooLong) = count.multipliedReportingOverflow(by: unit)
      let (sum, overflows) = total.addingReportingOverflow(product)
      guard !isTooLong, !overflows else { return nil }
      total = sum
    }
    return total
  }

  private static func unit(_ word: String) -> Int64? {
    switch word {
    case "s", "sec", "second", "seconds": 1
    case "m", "min", "minute", "minutes": 60
    case "h", "hr", "hour", "hours": 3_600
    case "d", "day", "days": 86_400
    case "w", "week", "weeks": 604_800
    default: nil
    }
  }
}
