import ByteIO
package import EdgeEngine
package import Platform

extension MetricSample {
  /// This value with the labels that all series of an edge have.
  package func prometheus(_ common: [(String, String)]) -> PrometheusMetrics.Sample {
    let kind: PrometheusMetrics.Kind =
      switch metric.kind {
      case .counter: .counter
      case .gauge: .gauge
      case .summary: .summary
      }
    return PrometheusMetrics.Sample(
      name,
      kind,
      metric.help,
      labels: common + labels,
      value: value,
      family: metric.name
    )
  }
}

extension EdgeIdentity {
  /// The labels of all series of this edge; the instance is another at each start.
  var metricLabels: [(String, String)] {
    let digits = Hex.encode(Entropy.bytes(16))
    let ends = [8, 12, 16, 20, 32]
    let instance = zip([0] + ends, ends).map { start, end in
      digits.dropFirst(start).prefix(end - start)
    }.joined(separator: "-")
    return [
      ("iothub", hubHostName), ("edge_device", deviceID), ("instance_number", instance),
    ]
  }
}
