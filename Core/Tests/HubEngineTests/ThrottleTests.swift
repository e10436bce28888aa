import ByteIO
import HubContract
import HubEngine
import Testing

@Suite("Throttles (contract §10)")
struct ThrottleTests {
  private func at(_ milliseconds: UInt64) -> Instant {
    Instant(nanoseconds: milliseconds * 1_000_000)
  }

  @Test("off by default")
  func off() {
    var throttles = Throttles()
    for _ in 0..<10_000 {
      #expect(throttles.take(.registry, now: at(0)) == 0)
    }
  }

  @Test("a burst, then the rate; classes do not share")
  func bucket() {
    var throttles = Throttles([.queries: ThrottleRate(10, burst: 3)])
    for _ in 0..<3 { #expect(throttles.take(.queries, now: at(5)) == 0) }
    #expect(throttles.take(.queries, now: at(5)) == 100)
    #expect(throttles.take(.registry, now: at(5)) == 0)
    #expect(throttles.take(.queries, now: at(104)) == 1)
    #expect(throttles.take(.queries, now: at(105)) == 0)
    #expect(throttles.take(.queries, now: at(105)) == 100)
    #expect(throttles.take(.queries, now: at(10_000)) == 0)
  }

  @Test("over a long time exactly the rate passes")
  func longRun() {
    var throttles = Throttles([.registry: ThrottleRate(100, perSeconds: 60, burst: 1)])
    var passed = 0
    for tick in 0..<60_000 as Range<UInt64> where throttles.take(.registry, now: at(tick)) == 0 {
      passed += 1
    }
    #expect((99...101).contains(passed))
  }

  @Test("a refused request names when to come back")
  func refusal() {
    var throttles = Throttles([.registry: ThrottleRate(1, perSeconds: 3, burst: 1)])
    #expect(throws: Never.self) { try throttles.admit(.registry, now: at(0)) }
    let refusal = #expect(throws: ThrottleRefusal.self) {
      try throttles.admit(.registry, now: at(500))
    }
    #expect(refusal?.retryAfterSeconds == 3)
    #expect(refusal?.error.code == .throttlingException)
  }

  @Test("what has happened already is charged and answered by a pause")
  func charge() {
    var throttles = Throttles([.deviceToCloudSends: ThrottleRate(10, burst: 10)])
    #expect(throttles.charge(.deviceToCloudSends, count: 10, now: at(0)) == 0)
    #expect(throttles.charge(.deviceToCloudSends, count: 5, now: at(0)) == 500)
  }
}
