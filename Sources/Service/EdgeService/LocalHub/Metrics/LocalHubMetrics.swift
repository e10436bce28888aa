import EdgeEngine
import Endpoints
import Platform

/// What dashboards for edges read of the local hub (edge contract section 10).
struct LocalHubMetrics: Sendable {
  let hub: LocalHub
  let budget: UpstreamBudget?
  /// The labels that all series have.
  let common: [(String, String)]

  /// Values of this moment.
  var samples: [PrometheusMetrics.Sample] {
    let now = SystemClock.now()
    let (used, limit) = hub.store.bytes
    var samples =
      hub.figures.samples(now: now) + hub.router.samples(now: now) + [
        MetricSample(.connectedClients, [], Double(hub.directory.count)),
        MetricSample(.storeBytes, [], Double(used)),
      ]
    if let limit { samples.append(MetricSample(.storeLimit, [], Double(limit))) }
    let queues = hub.store.figures
    samples += queues.map { queue in
      let labels = [queue.endpoint, "\(queue.priority.priority)"]
      return MetricSample(.queueLength, labels, Double(queue.length))
    }
    return samples.map { $0.prometheus(common) } + queues.flatMap(counts)
      + (budget?.samples(common) ?? [])
  }

  /// What no other edge has.
  private func counts(_ queue: QueueFigures) -> [PrometheusMetrics.Sample] {
    let labels =
      common + [("endpoint", queue.endpoint), ("priority", "\(queue.priority.priority)")]
    return [
      PrometheusMetrics.Sample(
        "orrery_edge_queue_accepted_total",
        .counter,
        "Messages that were taken for an endpoint.",
        labels: labels,
        value: Double(queue.counts.accepted)
      ),
      PrometheusMetrics.Sample(
        "orrery_edge_queue_settled_total",
        .counter,
        "Messages that an endpoint has confirmed.",
        labels: labels,
        value: Double(queue.counts.settled)
      ),
      PrometheusMetrics.Sample(
        "orrery_edge_queue_displaced_total",
        .counter,
        "Messages that gave way to newer ones.",
        labels: labels,
        value: Double(queue.counts.dropped)
      ),
    ]
  }
}
