import Logging
import Platform
import Synchronization

/// What an operator watches of the keys process, on a page of its own.
final class KeysMetrics: Sendable {
  private let authorityEnd = Atomic<Int64>(0)
  private let isKnown = Atomic<Bool>(false)
  private let isSettled = Atomic<Bool>(false)

  /// When the edge CA ends, seconds since 1970.
  func authorityEnds(_ seconds: Int64) { authorityEnd.store(seconds, ordering: .relaxed) }
  /// Somebody said who the device is.
  func deviceIsKnown() { isKnown.store(true, ordering: .relaxed) }
  /// The system modules have their keys at the hub.
  func deviceIsSettled() { isSettled.store(true, ordering: .relaxed) }

  /// Serves the page until everything stops.
  func serve(_ settings: MetricsSettings, logger: Logger) async {
    let metrics = PrometheusMetrics()
    metrics.collect { [self] in samples }
    await MetricsPage(
      metrics: metrics,
      host: settings.host,
      port: settings.ports[.keys] ?? 0,
      setting: "metrics.keys_port"
    ).serve(logger)
  }

  private var samples: [PrometheusMetrics.Sample] {
    [
      PrometheusMetrics.Sample(
        "orrery_edge_ca_expiry_timestamp_seconds",
        .gauge,
        "When the edge CA ends, in seconds since 1970.",
        value: Double(authorityEnd.load(ordering: .relaxed))
      ),
      PrometheusMetrics.Sample(
        "orrery_edge_device_known",
        .gauge,
        "Whether the device's identity is known.",
        value: isKnown.load(ordering: .relaxed) ? 1 : 0
      ),
      PrometheusMetrics.Sample(
        "orrery_edge_system_modules_settled",
        .gauge,
        "Whether the system modules have their keys at the hub, as far as this process knows.",
        value: isSettled.load(ordering: .relaxed) ? 1 : 0
      ),
    ]
  }
}
