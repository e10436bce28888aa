package import CoreMetrics
import Synchronization

/// The metrics of a process in the Prometheus text format (version 0.0.4).
///
/// Installed as the swift-metrics back end, so that libraries' metrics appear beside ours. Counters
/// of hot paths are `Atomic`s owned by their loops; they are summed by a collector when a scrape
/// asks, see `collect(_:)`.
package final class PrometheusMetrics: MetricsFactory, Sendable {
  private struct Series {
    var help = ""
    var kind: Kind
    var values: [String: Cell] = [:]
  }

  /// The metric types of the text format that are used.
  package enum Kind: String, Sendable {
    case counter
    case gauge
    case summary
  }

  private struct State {
    var series: [String: Series] = [:]
    var help: [String: String] = [:]
    var collectors: [@Sendable () -> [Sample]] = []
  }

  private let state = Mutex(State())

  package init() {}

  /// One value that a collector gives at a scrape.
  package struct Sample: Sendable {
    package let name: String
    package let kind: Kind
    package let help: String
    package let labels: [(String, String)]
    package let value: Double
    /// The metric that it belongs to, which is `name` except for sums and counts of summaries.
    package let family: String

    package init(
      _ name: String,
      _ kind: Kind,
      _ help: String,
      labels: [(String, String)] = [],
      value: Double,
      family: String? = nil
    ) {
      self.name = name
      self.kind = kind
      self.help = help
      self.labels = labels
      self.value = value
      self.family = family ?? name
    }
  }

  /// Adds a source that is asked at every scrape.
  package func collect(_ source: @escaping @Sendable () -> [Sample]) {
    state.withLock { $0.collectors.append(source) }
  }

  /// Sets the help line of a metric made through swift-metrics.
  package func describe(_ name: String, _ help: String) {
    state.withLock { $0.help[Self.sanitised(name)] = help }
  }

  /// The whole page of a scrape.
  package func page() -> String {
    let (series, help, collectors) = state.withLock { ($0.series, $0.help, $0.collectors) }
    var text = ""
    for (name, family) in series.sorted(by: { $0.key < $1.key }) {
      text += "# HELP \(name) \(help[name] ?? name.replacing("_", with: " "))\n"
      text += "# TYPE \(name) \(family.kind.rawValue)\n"
      for (labels, cell) in family.values.sorted(by: { $0.key < $1.key }) {
        switch family.kind {
        case .counter, .gauge: text += "\(name)\(labels) \(Self.number(cell.value))\n"
        case .summary:
          text += "\(name)_sum\(labels) \(Self.number(cell.value))\n"
          text += "\(name)_count\(labels) \(cell.count)\n"
        }
      }
    }
    var described: Set<String> = []
    // By family: a sum or a count in another place would be a metric of its own.
    for sample in collected(collectors) {
      if described.insert(sample.family).inserted {
        text += "# HELP \(sample.family) \(sample.help)\n# TYPE \(sample.family) "
        text += "\(sample.kind.rawValue)\n"
      }
      text += "\(sample.name)\(Self.labels(sample.labels)) \(Self.number(sample.value))\n"
    }
    return text
  }

  private func collected(_ collectors: [@Sendable () -> [Sample]]) -> [Sample] {
    Array(collectors.flatMap { $0() }.enumerated())
      .sorted { ($0.element.family, $0.offset) < ($1.element.family, $1.offset) }
      .map(\.element)
  }

  /// What collectors give at this moment, for who sends it elsewhere.
  package var samples: [Sample] { collected(state.withLock { $0.collectors }) }

  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
    return String(value)
  }

  private static func labels(_ pairs: [(String, String)]) -> String {
    guard !pairs.isEmpty else { return "" }
    let text = pairs.map { key, value in "\(sanitised(key))=\"\(escaped(value))\"" }
    return "{" + text.joined(separator: ",") + "}"
  }

  private static func escaped(_ value: String) -> String {
    // Every request makes labels, and hardly any has something to escape.
    guard value.utf8.contains(where: { $0 == 0x5C || $0 == 0x22 || $0 == 0x0A }) else {
      return value
    }
    return value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
      .replacing("\n", with: "\\n")
  }

  private static func sanitised(_ name: String) -> String {
    let isClean = name.utf8.allSatisfy { byte in
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x5F, 0x61...0x7A: true
      default: false
      }
    }
    guard !isClean else { return name }
    return String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") ? $0 : "_" })
  }

  private func cell(_ name: String, _ labels: [(String, String)], _ kind: Kind) -> Cell {
    let name = Self.sanitised(name)
    let key = Self.labels(labels)
    return state.withLock { state in
      var family = state.series[name] ?? Series(kind: kind)
      if let cell = family.values[key] { return cell }
      let cell = Cell(accumulates: kind != .gauge)
      family.values[key] = cell
      state.series[name] = family
      return cell
    }
  }

  package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    cell(label, dimensions, .counter)
  }

  package func makeRecorder(
    label: String,
    dimensions: [(String, String)],
    aggregate: Bool
  ) -> any RecorderHandler {
    cell(label, dimensions, aggregate ? .summary : .gauge)
  }

  package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    cell(label, dimensions, .summary)
  }

  package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    cell(label, dimensions, .gauge)
  }

  package func destroyCounter(_ handler: any CounterHandler) {}
  package func destroyRecorder(_ handler: any RecorderHandler) {}
  package func destroyTimer(_ handler: any TimerHandler) {}
  package func destroyMeter(_ handler: any MeterHandler) {}
}

/// The value of one label set.
private final class Cell: CounterHandler, RecorderHandler, TimerHandler, MeterHandler {
  private let cells = Mutex((value: 0.0, count: Int64(0)))
  private let accumulates: Bool

  init(accumulates: Bool) { self.accumulates = accumulates }

  var value: Double { cells.withLock { $0.value } }
  var count: Int64 { cells.withLock { $0.count } }

  func increment(by amount: Int64) { cells.withLock { $0.value += Double(amount) } }
  func reset() { cells.withLock { $0 = (0, 0) } }
  func record(_ value: Int64) { record(Double(value)) }

  func record(_ value: Double) {
    cells.withLock {
      $0.value = accumulates ? $0.value + value : value
      $0.count += 1
    }
  }

  func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
  func set(_ value: Int64) { set(Double(value)) }
  func set(_ value: Double) { cells.withLock { $0.value = value } }
  func increment(by amount: Double) { cells.withLock { $0.value += amount } }
  func decrement(by amount: Double) { cells.withLock { $0.value -= amount } }
}
