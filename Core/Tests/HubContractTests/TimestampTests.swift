import HubContract
import Testing

@Suite("Times (contract §7.1)")
struct TimestampTests {
  // Ticks and texts computed with another calendar (Python's datetime).
  static let texts: [(Int64, String)] = [
    (0, "1970-01-01T00:00:00.0000000Z"),
    (1, "1970-01-01T00:00:00.0000001Z"),
    (-1, "1969-12-31T23:59:59.9999999Z"),
    (17_673_230_451_234_567, "2026-01-02T03:04:05.1234567Z"),
    (9_516_960_000_000_000, "2000-02-28T00:00:00.0000000Z"),
    (9_517_824_000_000_000, "2000-02-29T00:00:00.0000000Z"),
    (9_518_688_000_000_000, "2000-03-01T00:00:00.0000000Z"),
    (-22_039_776_000_000_000, "1900-02-28T00:00:00.0000000Z"),
    (-22_038_912_000_000_000, "1900-03-01T00:00:00.0000000Z"),
    (-621_355_968_000_000_000, "0001-01-01T00:00:00Z"),
    (-621_355_967_999_999_999, "0001-01-01T00:00:00.0000001Z"),
    (2_534_023_007_999_999_999, "9999-12-31T23:59:59.9999999Z"),
  ]

  @Test("a time and its text stand for each other", arguments: texts)
  func roundTrip(ticks: Int64, text: String) {
    #expect(Timestamp(ticks: ticks).iso8601 == text)
    #expect(Timestamp(iso8601: text)?.ticks == ticks)
  }

  @Test("fractions of one to nine digits and every form of zone are read")
  func lenientForms() {
    let base = Timestamp(iso8601: "2026-01-02T03:04:05Z")
    #expect(base == Timestamp(seconds: 1_767_323_045))
    for text in [
      "2026-01-02T03:04:05", "2026-01-02T03:04:05.0", "2026-01-02T03:04:05.000000000Z",
      "2026-01-02T03:04:05+00:00", "2026-01-02T05:04:05+02:00", "2026-01-01T21:34:05-05:30",
      "2026-01-02T03:04:05.00000009Z",
    ] {
      #expect(Timestamp(iso8601: text) == base, "\(text)")
    }
    #expect(Timestamp(iso8601: "2026-01-02T03:04:05.5")?.milliseconds == 1_767_323_045_500)
    #expect(Timestamp(iso8601: "2026-01-02T03:04:05.123456789Z")?.ticks == 17_673_230_451_234_567)
  }

  @Test(
    "what is no date and time is refused",
    arguments: [
      "", "2026", "2026-01-02", "2026-13-02T03:04:05Z", "2026-00-02T03:04:05Z",
      "2026-02-29T03:04:05Z", "1900-02-29T00:00:00Z", "2026-04-31T03:04:05Z",
      "2026-01-00T03:04:05Z", "2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z",
      "2026-01-02T03:04:60Z", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05.Z",
      "2026-01-02T03:04:05.1234567890Z", "2026-01-02T03:04:05+0200", "2026-01-02T03:04:05ZZ",
      "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
      "2026-01-02T03:04:05+24:00", "-026-01-02T03:04:05Z", "2026-1-02T03:04:05Z", " ",
    ]
  )
  func refused(text: String) {
    #expect(Timestamp(iso8601: text) == nil)
  }

  @Test("arithmetic saturates within years 1 to 9999")
  func saturation() {
    #expect(Timestamp.epoch.adding(seconds: .max) == .latest)
    #expect(Timestamp.epoch.adding(seconds: .min) == .never)
    #expect(Timestamp.never.adding(milliseconds: -1) == .never)
    #expect(Timestamp.latest.adding(milliseconds: .max) == .latest)
    #expect(Timestamp(ticks: .min) == .never)
    #expect(Timestamp(milliseconds: 1500).adding(seconds: -1).milliseconds == 500)
    #expect(Timestamp(ticks: -1).milliseconds == -1)
    #expect(Timestamp(ticks: -10_000_000).seconds == -1)
    #expect(Timestamp(ticks: -10_000_001).seconds == -2)
  }

  @Test("a walk over 400 years of days agrees with itself")
  func everyDay() {
    var previous = ""
    for day in Int64(0)..<146_097 {
      let time = Timestamp(seconds: day * 86_400)
      let text = time.iso8601
      guard text > previous, Timestamp(iso8601: text) == time else {
        Issue.record("day \(day): \(text) after \(previous)")
        return
      }
      previous = text
    }
    #expect(previous == "2369-12-31T00:00:00.0000000Z")
  }
}
