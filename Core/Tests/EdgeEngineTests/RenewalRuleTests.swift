import EdgeEngine
import Testing

@Suite("Renewal of certificates (edge contract §4.5, DIFF 19)")
struct RenewalRuleTests {
  private let rule = RenewalRule(lifeSeconds: 1000)

  private func steady(_ seconds: Int64) -> JudgedTime {
    JudgedTime(seconds: seconds, least: seconds, isSteady: true)
  }

  private func lost(_ seconds: Int64) -> JudgedTime {
    JudgedTime(seconds: seconds, least: seconds, isSteady: false)
  }

  @Test("the best guess is never before what is certain")
  func judged() {
    #expect(JudgedTime(seconds: 5, least: 9, isSteady: true).seconds == 9)
    #expect(JudgedTime(seconds: 9, least: 5, isSteady: true).seconds == 9)
  }

  @Test("it ends after its life, or with its issuer; with the issuer where the clock is not steady")
  func end() {
    #expect(rule.end(of: steady(500), limit: 9000) == 1500)
    #expect(rule.end(of: steady(500), limit: 900) == 900)
    #expect(rule.end(of: lost(500), limit: 9000) == 9000)
  }

  @Test(
    "when it is due",
    arguments: [
      (made: 0, end: 1000, now: 799, steady: true, due: false),
      (made: 0, end: 1000, now: 800, steady: true, due: true),
      (made: 0, end: 500, now: 499, steady: true, due: false),
      (made: 0, end: 500, now: 500, steady: true, due: true),
      // By a clock that ran ahead.
      (made: 5000, end: 6000, now: 10, steady: true, due: true),
      (made: 5000, end: 9000, now: 10, steady: false, due: true),
      // The clock became steady, or ceased to be.
      (made: 0, end: 9000, now: 10, steady: true, due: true),
      (made: 0, end: 1000, now: 10, steady: false, due: true),
      (made: 0, end: 9000, now: 799, steady: false, due: false),
      (made: 0, end: 9000, now: 800, steady: false, due: true),
    ]
  )
  func due(made: Int64, end: Int64, now: Int64, steady: Bool, due: Bool) {
    let time = JudgedTime(seconds: now, least: now, isSteady: steady)
    #expect(rule.isDue(made: made, end: end, now: time, limit: 9000) == due)
  }

  @Test("a renewal that failed waits 4 % of a life, or less near its end")
  func retry() {
    #expect(!rule.isRetryDue(failed: 800, end: 1000, now: steady(839)))
    #expect(rule.isRetryDue(failed: 800, end: 1000, now: steady(840)))
    // Little is left, because a clock was set.
    #expect(!rule.isRetryDue(failed: 980, end: 1000, now: steady(989)))
    #expect(rule.isRetryDue(failed: 980, end: 1000, now: steady(990)))
    #expect(rule.isRetryDue(failed: 990, end: 1000, now: steady(1000)))
    // The clock went back.
    #expect(rule.isRetryDue(failed: 800, end: 1000, now: steady(799)))
  }
}
