import Endpoints
import MessageLog
import Platform
import Synchronization

extension Hub {
  /// Adds what the hub itself knows to every scrape.
  func collectMetrics() {
    metrics.collect { [weak self] in
      guard let self else { return [] }
      let view = events.view
      let commits = events.commitStatistics
      var samples = [
        PrometheusMetrics.Sample(
          "orrery_connected_devices",
          .gauge,
          "Devices connected now, modules not counted.",
          value: Double(directory.deviceCount)
        ),
        PrometheusMetrics.Sample(
          "orrery_log_suspended",
          .gauge,
          "1 while the message log can't take events.",
          value: events.isSuspended ? 1 : 0
        ),
        PrometheusMetrics.Sample(
          "orrery_log_bytes",
          .gauge,
          "Bytes of events that are kept.",
          value: Double(view.byteCount)
        ),
        PrometheusMetrics.Sample(
          "orrery_log_segments",
          .gauge,
          "Files of the message log.",
          value: Double(view.segmentCount)
        ),
        PrometheusMetrics.Sample(
          "orrery_log_commits_total",
          .counter,
          "Group commits.",
          value: Double(commits.count)
        ),
        PrometheusMetrics.Sample(
          "orrery_log_commit_seconds_total",
          .counter,
          "Time spent in group commits.",
          value: Double(commits.nanoseconds) / 1e9
        ),
      ]
      for partition in 0..<UInt16(clamping: view.partitionCount) {
        samples.append(
          PrometheusMetrics.Sample(
            "orrery_events_total",
            .counter,
            "Events appended, by partition.",
            labels: [("partition", String(partition))],
            value: Double(view[partition].nextSequence)
          )
        )
      }
      return samples
    }
  }

  /// Adds what the event loops count.
  func collectMetrics(of loops: DeviceLoops) {
    metrics.collect {
      func sum(_ value: (EndpointCounters) -> Int) -> Double {
        Double(loops.counters.reduce(0) { $0 + value($1) })
      }
      return [
        PrometheusMetrics.Sample(
          "orrery_mqtt_connections",
          .gauge,
          "MQTT connections now, unauthenticated ones included.",
          value: sum { $0.connections.load(ordering: .relaxed) }
        ),
        PrometheusMetrics.Sample(
          "orrery_https_connections",
          .gauge,
          "Connections of the HTTPS port now, WebSockets included.",
          value: sum { $0.sharedConnections.load(ordering: .relaxed) }
        ),
        PrometheusMetrics.Sample(
          "orrery_mqtt_accepted_total",
          .counter,
          "CONNECTs accepted.",
          value: sum { $0.accepted.load(ordering: .relaxed) }
        ),
        PrometheusMetrics.Sample(
          "orrery_mqtt_refused_total",
          .counter,
          "CONNECTs refused.",
          value: sum { $0.refused.load(ordering: .relaxed) }
        ),
        PrometheusMetrics.Sample(
          "orrery_connect_timeouts_total",
          .counter,
          "Connections closed because they said nothing, or not enough, in time.",
          value: sum { $0.connectTimeouts.load(ordering: .relaxed) }
        ),
        PrometheusMetrics.Sample(
          "orrery_mqtt_faults_total",
          .counter,
          "Connections closed for a fault of the client.",
          value: sum { $0.protocolFaults.load(ordering: .relaxed) }
        ),
        PrometheusMetrics.Sample(
          "orrery_telemetry_messages_total",
          .counter,
          "Telemetry messages received over MQTT.",
          value: sum { $0.messages.load(ordering: .relaxed) }
        ),
        PrometheusMetrics.Sample(
          "orrery_telemetry_bytes_total",
          .counter,
          "Bytes of their bodies.",
          value: sum { $0.messageBytes.load(ordering: .relaxed) }
        ),
        PrometheusMetrics.Sample(
          "orrery_telemetry_acknowledged_total",
          .counter,
          "PUBACKs of telemetry sent.",
          value: sum { $0.acknowledged.load(ordering: .relaxed) }
        ),
        PrometheusMetrics.Sample(
          "orrery_telemetry_failed_commits_total",
          .counter,
          "Batches of a loop that could not be kept.",
          value: sum { $0.failedCommits.load(ordering: .relaxed) }
        ),
        PrometheusMetrics.Sample(
          "orrery_mqtt_sent_total",
          .counter,
          "Messages sent to devices.",
          value: sum { $0.sent.load(ordering: .relaxed) }
        ),
      ]
    }
  }
}
