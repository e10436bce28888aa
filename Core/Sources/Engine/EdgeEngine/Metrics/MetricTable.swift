public import ByteIO

/// One value of a metrics page.
public struct MetricSample: Sendable {
  /// The metric it belongs to.
  public let metric: EdgeMetric
  /// Its name, which for summaries may have a suffix.
  public let name: String
  /// Its labels, in order.
  public let labels: [(String, String)]
  /// Its value.
  public let value: Double

  /// The sample of a counter or a gauge.
  public init(_ metric: EdgeMetric, _ labels: [String], _ value: Double) {
    self.init(metric, metric.name, Self.pairs(metric, labels), value)
  }

  private init(
    _ metric: EdgeMetric,
    _ name: String,
    _ labels: [(String, String)],
    _ value: Double
  ) {
    self.metric = metric
    self.name = name
    self.labels = labels
    self.value = value
  }

  private static func pairs(_ metric: EdgeMetric, _ labels: [String]) -> [(String, String)] {
    precondition(labels.count == metric.labels.count, "one value for each label")
    return Array(zip(metric.labels, labels))
  }

  /// The samples of a summary: quantiles (not a number for want of recent values), sum and count.
  public static func summary(
    _ metric: EdgeMetric,
    _ labels: [String],
    _ summary: MetricSummary,
    now: Instant
  ) -> [MetricSample] {
    let pairs = pairs(metric, labels)
    let values = summary.values(now: now)
    let quantiles = MetricSummary.quantiles.enumerated().map { index, quantile in
      MetricSample(
        metric,
        metric.name,
        pairs + [("quantile", quantile.label)],
        values.map { $0[index] * metric.scale } ?? .nan
      )
    }
    return quantiles + [
      MetricSample(metric, metric.name + "_sum", pairs, Double(summary.sum) * metric.scale),
      MetricSample(metric, metric.name + "_count", pairs, Double(summary.count)),
    ]
  }
}

/// Metrics by their labels, for what does not come with every message.
///
/// Each metric has at most `seriesLimit` series; what comes beyond counts under `MetricTable.others`.
public struct MetricTable: Sendable {
  /// What stands in each label of the series that many share; no identity can be called so.
  public static let others = "~others"
  /// Series of a metric.
  public static let seriesLimit = 256

  private struct Series: Sendable {
    var value = 0.0
    var summary: MetricSummary?

    mutating func apply(_ body: (inout Self) -> Void) { body(&self) }
  }

  private var tables: [String: (metric: EdgeMetric, series: SeriesTable<[String], Series>)] = [:]

  /// Creates an empty table.
  public init() {}

  /// Adds to a counter; `labels` are the values of the metric's labels.
  public mutating func count(_ metric: EdgeMetric, _ labels: [String] = [], by amount: Double = 1) {
    change(metric, labels) { $0.value += amount }
  }

  /// Sets a gauge.
  public mutating func set(_ metric: EdgeMetric, _ labels: [String] = [], to value: Double) {
    change(metric, labels) { $0.value = value }
  }

  /// Takes a value of a summary, in the unit that `EdgeMetric.scale` tells.
  public mutating func record(
    _ metric: EdgeMetric,
    _ labels: [String] = [],
    _ value: UInt64,
    now: Instant
  ) {
    change(metric, labels) { $0.summary?.record(value, now: now) }
  }

  private mutating func change(
    _ metric: EdgeMetric,
    _ labels: [String],
    _ body: (inout Series) -> Void
  ) {
    precondition(labels.count == metric.labels.count, "one value for each label")
    if tables[metric.name] == nil {
      let first = Series(summary: metric.kind == .summary ? MetricSummary() : nil)
      tables[metric.name] = (metric, SeriesTable(limit: Self.seriesLimit, first))
    }
    guard let place = tables[metric.name]?.series.place(of: labels) else { return }
    tables[metric.name]?.series[place].apply(body)
  }

  /// All values.
  public func samples(now: Instant) -> [MetricSample] {
    tables.values.flatMap { metric, series in
      series.entries.flatMap { key, figures -> [MetricSample] in
        let labels = key ?? metric.labels.map { _ in Self.others }
        guard let summary = figures.summary else {
          return [MetricSample(metric, labels, figures.value)]
        }
        return MetricSample.summary(metric, labels, summary, now: now)
      }
    }
  }
}
