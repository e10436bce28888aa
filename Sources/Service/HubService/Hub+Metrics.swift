import AMQPEndpoints
import Endpoints
import HubContract
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
      let single: [(String, PrometheusMetrics.Kind, Double, String)] = [
        (
          "orrery_connected_devices", .gauge, Double(directory.deviceCount),
          "Devices connected now, modules not counted."
        ),
        (
          "orrery_log_suspended", .gauge, events.isSuspended ? 1 : 0,
          "1 while the message log can't take events."
        ),
        ("orrery_log_bytes", .gauge, Double(view.byteCount), "Bytes of events that are kept."),
        (
          "orrery_files_bytes", .gauge, Double(files.usedByteCount),
          "What uploaded files take, those under way included."
        ),
        (
          "orrery_files_received_bytes_total", .counter, Double(files.receivedBytes),
          "Bytes of uploaded files and blocks that were kept."
        ),
        (
          "orrery_files_refused_total", .counter, Double(files.refusedCount),
          "Files and blocks that were refused because of files.quota_bytes."
        ),
        ("orrery_log_segments", .gauge, Double(view.segmentCount), "Files of the message log."),
        ("orrery_log_commits_total", .counter, Double(commits.count), "Group commits."),
        (
          "orrery_hub_events_total", .counter, Double(outbox.count),
          "Events of the hub's own that were appended: twin changes, lifecycle, connections."
        ),
        (
          "orrery_log_commit_seconds_total", .counter, Double(commits.nanoseconds) / 1e9,
          "Time spent in group commits."
        ),
      ]
      let partitions = (0..<UInt16(clamping: view.partitionCount)).map { partition in
        PrometheusMetrics.Sample(
          "orrery_events_total",
          .counter,
          "Events appended, by partition.",
          labels: [("partition", String(partition))],
          value: Double(view[partition].nextSequence)
        )
      }
      let refusals = CredentialRefusals.Channel.allCases.map { channel in
        PrometheusMetrics.Sample(
          "orrery_credentials_refused_total",
          .counter,
          "Credentials refused, by protocol.",
          labels: [("protocol", channel.rawValue)],
          value: Double(self.refusals[channel])
        )
      }
      let injected = InjectedFault.Kind.allCases.map { kind in
        PrometheusMetrics.Sample(
          "orrery_injected_faults_total",
          .counter,
          "Faults that a tester had the hub commit, by kind.",
          labels: [("fault", kind.rawValue)],
          value: Double(self.faults[kind])
        )
      }
      let issued = provisioning.map {
        PrometheusMetrics.Sample(
          "orrery_certificates_issued_total",
          .counter,
          "Certificates issued to devices that registered with a signing request.",
          value: Double($0.issuer.issuedCount.load(ordering: .relaxed))
        )
      }
      return single.map { name, kind, value, help in
        PrometheusMetrics.Sample(name, kind, help, value: value)
      } + partitions + refusals + injected + routing.samples + (issued.map { [$0] } ?? [])
    }
  }

  /// Adds what the event loops count, and what `service` counts as they do.
  func collectMetrics(of loops: DeviceLoops, and service: AMQPService) {
    // Not the loops themselves: they hold the hub, which holds the metrics.
    let counters = loops.counters + [service.counters]
    let sharedPort = loops.sharedPort
    collectMetrics(of: loops.limit) {
      counters.reduce(0) { $0 + $1.unauthenticated.load(ordering: .relaxed) }
    }
    collectMetrics(of: sharedPort.limit) { sharedPort.strangerCount }
    metrics.collect {
      EndpointCounters.table.map { name, kind, help, counter in
        let sum = counters.reduce(0) { $0 + counter($1) }
        return PrometheusMetrics.Sample(name, kind, help, value: Double(sum))
      }
    }
  }

  /// Adds what the AMQP side counts.
  func collectMetrics(of service: AMQPService, _ events: EventStreams) {
    collectMetrics(of: service.limit) { service.strangerCount }
    metrics.collect {
      [
        PrometheusMetrics.Sample(
          "orrery_amqp_connections",
          .gauge,
          "AMQP connections now, over TLS and WebSocket.",
          value: Double(service.count)
        ),
        PrometheusMetrics.Sample(
          "orrery_event_receivers",
          .gauge,
          "Links that receive events now.",
          value: Double(events.count)
        ),
      ]
    }
  }
}

extension Hub {
  /// Adds how many connections of one protocol have not said who they are, and how many more came
  /// than there may be.
  private func collectMetrics(
    of limit: UnauthenticatedLimit,
    count: @escaping @Sendable () -> Int
  ) {
    let labels = [("protocol", limit.name)]
    metrics.collect {
      [
        PrometheusMetrics.Sample(
          "orrery_unauthenticated_connections",
          .gauge,
          "Connections now that have not said who they are, by protocol.",
          labels: labels,
          value: Double(count())
        ),
        PrometheusMetrics.Sample(
          "orrery_unauthenticated_refused_total",
          .counter,
          "Connections closed at once because too many had not said who they are, by protocol.",
          labels: labels,
          value: Double(limit.refusedCount)
        ),
      ]
    }
  }
}

extension EndpointCounters {
  /// The metric of each counter.
  fileprivate static let table:
    [(
      name: String, kind: PrometheusMetrics.Kind, help: String,
      counter: @Sendable (EndpointCounters) -> Int
    )] = [
      (
        "orrery_mqtt_connections", .gauge,
        "MQTT connections now, unauthenticated ones included.",
        { $0.connections.load(ordering: .relaxed) }
      ),
      (
        "orrery_https_connections", .gauge,
        "Connections of the HTTPS port now, WebSockets included.",
        { $0.sharedConnections.load(ordering: .relaxed) }
      ),
      (
        "orrery_edge_children", .gauge,
        "Devices and modules present on the connections of their edge hubs now.",
        { $0.children.load(ordering: .relaxed) }
      ),
      (
        "orrery_edge_repeated_total", .counter,
        "Messages of edges that were durable already: acknowledged and dropped.",
        { $0.repeated.load(ordering: .relaxed) }
      ),
      (
        "orrery_mqtt_accepted_total", .counter, "CONNECTs accepted.",
        { $0.accepted.load(ordering: .relaxed) }
      ),
      (
        "orrery_mqtt_refused_total", .counter, "CONNECTs refused.",
        { $0.refused.load(ordering: .relaxed) }
      ),
      (
        "orrery_connect_timeouts_total", .counter,
        "Connections closed because they said nothing, or not enough, in time.",
        { $0.connectTimeouts.load(ordering: .relaxed) }
      ),
      (
        "orrery_mqtt_faults_total", .counter, "Connections closed for a fault of the client.",
        { $0.protocolFaults.load(ordering: .relaxed) }
      ),
      (
        "orrery_telemetry_messages_total", .counter, "Telemetry messages received over MQTT.",
        { $0.messages.load(ordering: .relaxed) }
      ),
      (
        "orrery_telemetry_bytes_total", .counter, "Bytes of their bodies.",
        { $0.messageBytes.load(ordering: .relaxed) }
      ),
      (
        "orrery_telemetry_acknowledged_total", .counter, "PUBACKs of telemetry sent.",
        { $0.acknowledged.load(ordering: .relaxed) }
      ),
      (
        "orrery_telemetry_failed_commits_total", .counter,
        "Batches of a loop that could not be kept.",
        { $0.failedCommits.load(ordering: .relaxed) }
      ),
      (
        "orrery_mqtt_sent_total", .counter, "Messages sent to devices.",
        { $0.sent.load(ordering: .relaxed) }
      ),
    ]
}
