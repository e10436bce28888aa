import HubContract
import HubEngine
import Platform

/// What is known of an endpoint since the hub started: its health, and counts.
struct EndpointTally {
  private(set) var health = EndpointHealth()
  private var taken = 0
  private var failures = 0
  private var deadLetters: [EndpointDelivery.DeadLetterReason: Int] = [:]
  private var lastTold = Timestamp.never

  /// Seconds between two log lines about dead letters: a receiver may refuse all that comes.
  private static let secondsBetweenLines: Int64 = 10

  /// Events that were given up.
  var deadLetterCount: Int { deadLetters.values.reduce(0, +) }

  /// Takes note of `outcome`, and answers whether it is worth a line in the log.
  mutating func note(_ outcome: EndpointOutcome, now: Timestamp) -> Bool {
    switch outcome {
    case .took(let count):
      taken += count
      health.attempted(now: now)
      health.succeeded(now: now)
      return false
    case .failed(let reason):
      failures += 1
      health.attempted(now: now)
      health.failed(reason, now: now)
      // The first ones are, then ever fewer of those in a row.
      return health.failures & (health.failures - 1) == 0
    case .deadLettered(let count, let reason):
      deadLetters[reason, default: 0] += count
      guard lastTold.adding(seconds: Self.secondsBetweenLines) <= now else { return false }
      lastTold = now
      return true
    case .lost(let count, _):
      health.lost(count, now: now)
      return true
    }
  }

  /// The metrics of `endpoint`.
  func samples(endpoint: String) -> [PrometheusMetrics.Sample] {
    let labels = [("endpoint", endpoint)]
    return [
      PrometheusMetrics.Sample(
        "orrery_endpoint_events_total",
        .counter,
        "Events that an endpoint of message routing took.",
        labels: labels,
        value: Double(taken)
      ),
      PrometheusMetrics.Sample(
        "orrery_endpoint_failures_total",
        .counter,
        "Attempts that an endpoint did not take.",
        labels: labels,
        value: Double(failures)
      ),
      PrometheusMetrics.Sample(
        "orrery_endpoint_failing",
        .gauge,
        "1 while the last attempt at an endpoint failed.",
        labels: labels,
        value: health.failures > 0 ? 1 : 0
      ),
      PrometheusMetrics.Sample(
        "orrery_endpoint_lost_events_total",
        .counter,
        "Events that were gone from the log before an endpoint took them, at most.",
        labels: labels,
        value: Double(health.lostCount)
      ),
    ]
      + EndpointDelivery.DeadLetterReason.allCases.map { reason in
        PrometheusMetrics.Sample(
          "orrery_endpoint_dead_letters_total",
          .counter,
          "Events that were given up for an endpoint, by reason.",
          labels: labels + [("reason", reason.rawValue)],
          value: Double(deadLetters[reason] ?? 0)
        )
      }
  }
}
