import EdgeEngine
import Endpoints
import Platform
import Synchronization

/// What dashboards for edges read of the local hub (edge contract section 10).
struct LocalHubMetrics: Sendable {
  let hub: LocalHub
  let loops: DeviceLoops
  /// Names this start among others.
  let instance: String

  /// Values of this moment.
  var samples: [PrometheusMetrics.Sample] { clients + queues + store }

  private var common: [(String, String)] {
    [
      ("iothub", hub.identity.hubHostName), ("edge_device", hub.identity.deviceID),
      ("instance_number", instance),
    ]
  }

  private func sample(
    _ name: String,
    _ kind: PrometheusMetrics.Kind,
    _ help: String,
    _ labels: [(String, String)] = [],
    _ value: Double
  ) -> PrometheusMetrics.Sample {
    PrometheusMetrics.Sample(name, kind, help, labels: common + labels, value: value)
  }

  private var clients: [PrometheusMetrics.Sample] {
    let (accepted, refused) = loops.counters.reduce((0, 0)) {
      ($0.0 + $1.accepted.load(ordering: .relaxed), $0.1 + $1.refused.load(ordering: .relaxed))
    }
    return [
      sample(
        "edgehub_connected_clients",
        .gauge,
        "Modules and devices that are connected.",
        [],
        Double(hub.directory.count)
      ),
      sample(
        "edgehub_client_connect_success_total",
        .counter,
        "Connections that were let in.",
        [],
        Double(accepted)
      ),
      sample(
        "edgehub_client_connect_failed_total",
        .counter,
        "Connections that were turned away.",
        [],
        Double(refused)
      ),
    ]
  }

  private var queues: [PrometheusMetrics.Sample] {
    hub.store.figures.flatMap { figures in
      let labels = [
        ("endpoint", figures.endpoint), ("priority", "\(figures.priority.priority)"),
      ]
      return [
        sample(
          "edgehub_queue_length",
          .gauge,
          "Messages that wait for an endpoint.",
          labels,
          Double(figures.length)
        ),
        sample(
          "orrery_edge_queue_accepted_total",
          .counter,
          "Messages that were taken for an endpoint.",
          labels,
          Double(figures.counts.accepted)
        ),
        sample(
          "orrery_edge_queue_settled_total",
          .counter,
          "Messages that an endpoint has confirmed.",
          labels,
          Double(figures.counts.settled)
        ),
        sample(
          "edgehub_messages_dropped_total",
          .counter,
          "Messages that were given up.",
          labels + [("reason", "ttl_expiry")],
          Double(figures.counts.expired)
        ),
      ]
    }
  }

  private var store: [PrometheusMetrics.Sample] {
    let (used, limit) = hub.store.bytes
    var samples = [
      sample(
        "edgehub_messages_dropped_total",
        .counter,
        "Messages that were given up.",
        [("reason", "no_route")],
        Double(hub.router.droppedCount)
      ),
      sample(
        "edgehub_messages_unack_total",
        .counter,
        "Batches that the store has refused.",
        [("reason", "storage_failure")],
        Double(hub.store.refusalCount)
      ),
      sample(
        "edgehub_store_bytes",
        .gauge,
        "Bytes of messages that wait.",
        [],
        Double(used)
      ),
    ]
    if let limit {
      samples.append(
        sample(
          "edgehub_store_limit_bytes",
          .gauge,
          "Bytes of messages that may wait.",
          [],
          Double(limit)
        )
      )
    }
    return samples
  }
}
