import HubContract
import HubEngine
import Testing

@Suite("What a webhook's answer means")
struct WebhookAnswerTests {
  private typealias Failure = EndpointDelivery.Failure

  private static func read(_ status: Int, _ retryAfter: String? = nil) -> Failure? {
    // Sun, 06 Nov 1994 08:49:37 GMT
    Failure(status: status, retryAfter: retryAfter, now: Timestamp(seconds: 784_111_777))
  }

  @Test("success is success, blame of the request gives it up, the rest is tried again")
  func statuses() {
    for status in [200, 201, 202, 204, 299] { #expect(Self.read(status) == nil) }
    for status in [400, 406, 409, 410, 411, 413, 414, 415, 418, 422, 431, 451, 499] {
      #expect(Self.read(status) == .rejected, "\(status)")
    }
    for status in [
      0, 100, 199, 300, 301, 302, 307, 308, 401, 403, 404, 405, 407, 408, 421, 425, 429, 500, 501,
      502, 503, 504, 599, 999,
    ] {
      #expect(Self.read(status) == .unavailable, "\(status)")
    }
  }

  @Test(
    "Retry-After is seconds or a date; what is neither says nothing",
    arguments: [
      ("0", 0), ("120", 120_000), ("Sun, 06 Nov 1994 08:49:47 GMT", 10_000),
      ("sun, 06 nov 1994 08:50:37 gmt", 60_000), ("Sun, 06 Nov 1994 08:49:27 GMT", 0),
      ("18446744073709551615", .max), ("18446744073709551616", nil), ("-1", nil), ("", nil),
      ("1.5", nil), ("soon", nil), ("Sun, 06 Nov 1994 08:49:47", nil),
      ("Sun, 32 Nov 1994 08:49:47 GMT", nil), ("Sun, 06 Foo 1994 08:49:47 GMT", nil),
      ("Sunday, 06-Nov-94 08:49:37 GMT", nil), ("Sun, 6 Nov 1994 08:49:47 GMT", nil),
      ("a b c d e gmt", nil),
    ] as [(String, UInt64?)]
  )
  func retryAfter(_ text: String, _ expected: UInt64?) {
    #expect(Self.read(503, text) == .unavailable(retryAfterMilliseconds: expected))
    #expect(Self.read(429, text) == .unavailable(retryAfterMilliseconds: expected))
    #expect(Self.read(410, text) == .rejected)
    #expect(Self.read(200, text) == nil)
  }
}
