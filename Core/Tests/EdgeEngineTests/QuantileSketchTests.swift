import ByteIO
import EdgeEngine
import Testing

@Suite("Quantiles of a stream")
struct QuantileSketchTests {
  private static let fractions = MetricSummary.quantiles.map(\.fraction)

  /// Values of very different kinds, from one seed.
  private static func values(_ kind: String) -> [UInt64] {
    var random = SeededGenerator(seed: 7)
    return (0..<20_000).map { index in
      switch kind {
      case "small": random.next() % 40
      case "uniform": random.next() % 1_000_000
      case "wide": random.next() >> (20 + random.next() % 44)
      case "equal": 12_345
      default: index % 100 == 0 ? 60_000_000 : 500 + random.next() % 500
      }
    }
  }

  @Test(
    "each quantile is within 1/64 of the exact one",
    arguments: ["small", "uniform", "wide", "equal", "long tail"]
  )
  func accuracy(kind: String) throws {
    let values = Self.values(kind)
    var sketch = QuantileSketch()
    for value in values { sketch.insert(value) }
    let sorted = values.sorted()
    for fraction in Self.fractions {
      let rank = max(1, Int((fraction * Double(sorted.count)).rounded(.up)))
      let exact = Double(sorted[rank - 1])
      let found = try #require(sketch.quantile(fraction))
      #expect(abs(found - exact) <= exact / 64, "\(fraction): \(found), and exactly \(exact)")
    }
    #expect(sketch.count == UInt64(values.count))
  }

  @Test("two that are merged are as one that took all")
  func merging() {
    let values = Self.values("wide")
    var (all, even, odd) = (QuantileSketch(), QuantileSketch(), QuantileSketch())
    for (index, value) in values.enumerated() {
      all.insert(value)
      if index % 2 == 0 { even.insert(value) } else { odd.insert(value) }
    }
    even.merge(odd)
    even.merge(QuantileSketch())
    #expect(even.count == all.count)
    for fraction in Self.fractions { #expect(even.quantile(fraction) == all.quantile(fraction)) }
  }

  @Test("the edges of the range are taken")
  func edges() throws {
    var sketch = QuantileSketch()
    #expect(sketch.quantile(0.5) == nil)
    sketch.insert(0)
    #expect(sketch.quantile(0) == 0)
    #expect(sketch.quantile(1) == 0)
    sketch.insert(.max)
    let greatest = try #require(sketch.quantile(1))
    #expect(abs(greatest - Double(QuantileSketch.greatest)) <= greatest / 64)
    #expect(sketch.quantile(-.infinity) == 0)
    #expect(sketch.quantile(.nan) == 0)
  }
}

@Suite("Summaries of metrics (edge contract section 10)")
struct MetricSummaryTests {
  private static func minutes(_ count: UInt64) -> Instant {
    Instant(nanoseconds: 0).adding(milliseconds: count * 60_000)
  }

  @Test("quantiles are of the last minutes, sum and count of all")
  func window() {
    var summary = MetricSummary()
    #expect(summary.values(now: Self.minutes(1)) == nil)
    for _ in 0..<100 { summary.record(20, now: Self.minutes(1)) }
    #expect(summary.values(now: Self.minutes(6)) == Array(repeating: 20, count: 6))
    for _ in 0..<1_000 { summary.record(10, now: Self.minutes(7)) }
    #expect(summary.values(now: Self.minutes(9))?.first == 10)
    #expect(summary.values(now: Self.minutes(9))?.last == 20)
    #expect(summary.values(now: Self.minutes(11))?.last == 10)
    #expect(summary.values(now: Self.minutes(17)) == nil)
    #expect(summary.count == 1_100)
    #expect(summary.sum == 12_000)
  }

  @Test("merging takes the windows that are still open")
  func merging() {
    var (first, second) = (MetricSummary(), MetricSummary())
    first.record(30, now: Self.minutes(1))
    second.record(5, now: Self.minutes(12))
    second.merge(first, now: Self.minutes(13))
    #expect(second.count == 2)
    #expect(second.values(now: Self.minutes(13))?.last == 5)
  }
}

@Suite("Series of metrics")
struct MetricTableTests {
  private static let now = Instant(nanoseconds: 1)

  private static func values(_ table: MetricTable, _ name: String) -> [[String]: Double] {
    Dictionary(
      table.samples(now: now).filter { $0.name == name }.map { ($0.labels.map(\.1), $0.value) }
    ) { $1 }
  }

  @Test("counters count by their labels, and gauges are set")
  func kinds() {
    var table = MetricTable()
    table.count(.getTwins, ["upstream", "a"])
    table.count(.getTwins, ["upstream", "b"], by: 3)
    table.count(.getTwins, ["upstream", "a"])
    table.set(.storeBytes, to: 7)
    table.set(.storeBytes, to: 5)
    #expect(
      Self.values(table, "edgehub_gettwin_total")
        == [["upstream", "a"]: 2, ["upstream", "b"]: 3]
    )
    #expect(Self.values(table, "edgehub_store_bytes") == [[]: 5])
  }

  @Test("a summary shows quantiles, sum and count, in seconds")
  func summaries() {
    var table = MetricTable()
    table.record(.methodTime, ["a", "b"], 2_000_000, now: Self.now)
    let name = "edgehub_direct_method_duration_seconds"
    let quantiles = Self.values(table, name)
    #expect(
      Set(quantiles.keys.compactMap(\.last)) == ["0.5", "0.9", "0.95", "0.99", "0.999", "0.9999"]
    )
    #expect(quantiles.values.allSatisfy { abs($0 - 2) <= 2.0 / 64 })
    #expect(Self.values(table, name + "_sum") == [["a", "b"]: 2])
    #expect(Self.values(table, name + "_count") == [["a", "b"]: 1])
    let later = Self.now.adding(milliseconds: 601_000)
    let stale = table.samples(now: later).filter { $0.name == name }
    #expect(stale.count == 6 && stale.allSatisfy { $0.value.isNaN })
  }

  @Test("a metric has no more series than its limit, and loses no count")
  func limit() {
    var table = MetricTable()
    for index in 0..<1_000 { table.count(.connects, ["device-\(index)"]) }
    let values = Self.values(table, "edgehub_client_connect_success_total")
    #expect(values.count == MetricTable.seriesLimit + 1)
    #expect(values[[MetricTable.others]] == Double(1_000 - MetricTable.seriesLimit))
    // Who was there before the table was full keeps its own.
    table.count(.connects, ["device-0"])
    #expect(Self.values(table, "edgehub_client_connect_success_total")[["device-0"]] == 2)
  }

  @Test("names and labels are those that dashboards know")
  func names() {
    let all = EdgeMetric.ofHub + EdgeMetric.ofAgent
    #expect(Set(all.map(\.name)).count == all.count)
    #expect(
      EdgeMetric.messagesSent.labels
        == ["from", "to", "from_route_output", "to_route_input", "priority"]
    )
  }
}
