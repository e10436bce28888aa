import HubContract
import HubEngine
import JSONTree
import Testing

@Suite("Health of an endpoint")
struct EndpointHealthTests {
  private static func at(_ second: Int64) -> Timestamp { Timestamp(seconds: second) }

  @Test("from unknown to healthy, degraded, unhealthy, dead, and back by one success")
  func states() {
    var health = EndpointHealth()
    #expect(health.status(now: Self.at(0)) == .unknown)
    health.attempted(now: Self.at(1))
    #expect(health.status(now: Self.at(1)) == .unknown)
    health.succeeded(now: Self.at(2))
    #expect(health.status(now: Self.at(900_000)) == .healthy)
    let statuses = (0..<4).map { second in
      health.failed("HTTP 503", now: Self.at(10 + Int64(second)))
      return health.status(now: Self.at(10 + Int64(second)))
    }
    #expect(statuses == [.degraded, .degraded, .unhealthy, .unhealthy])
    #expect(health.status(now: Self.at(10 + 86_399)) == .unhealthy)
    #expect(health.status(now: Self.at(10 + 86_400)) == .dead)
    health.succeeded(now: Self.at(90_000))
    #expect(health.status(now: Self.at(90_000)) == .healthy && health.failures == 0)
    #expect(
      health.json(endpoint: "hook", now: Self.at(90_000))
        == [
          "endpointId": "hook", "healthStatus": "healthy", "lastKnownError": "HTTP 503",
          "lastKnownErrorTime": "1970-01-01T00:00:13.0000000Z",
          "lastSendAttemptTime": "1970-01-01T00:00:01.0000000Z",
          "lastSuccessfulSendAttemptTime": "1970-01-02T01:00:00.0000000Z",
          "lostEventCount": 0, "isDraining": false,
        ]
    )
  }

  @Test("lost events are counted, and stay so when others get through")
  func lost() {
    var health = EndpointHealth()
    health.lost(2, now: Self.at(1))
    #expect(health.status(now: Self.at(1)) == .degraded)
    health.lost(.max, now: Self.at(2))
    health.succeeded(now: Self.at(3))
    #expect(health.status(now: Self.at(3)) == .healthy && health.lostCount == .max)
    let json = health.json(endpoint: "e", isDraining: true, now: Self.at(3))
    #expect(json["lostEventCount"] == .int(.max) && json["isDraining"] == true)
  }

  @Test("an error's text is cut")
  func errorText() {
    var health = EndpointHealth()
    health.failed(String(repeating: "é", count: 10_000), now: Self.at(0))
    #expect(health.lastError?.count == EndpointHealth.errorCharacters)
  }
}
