public import ByteIO

/// What a metric of kind summary knows: how many values there were, their sum, and quantiles of the last
/// five to ten minutes.
public struct MetricSummary: Equatable, Sendable {
  /// The quantiles that are shown, with their labels.
  public static let quantiles: [(label: String, fraction: Double)] = [
    ("0.5", 0.5), ("0.9", 0.9), ("0.95", 0.95), ("0.99", 0.99), ("0.999", 0.999),
    ("0.9999", 0.9999),
  ]
  /// Quantiles are of the window that is filled now, and of the one before.
  private static let windowNanoseconds: UInt64 = 300_000_000_000

  /// Values since the start.
  public private(set) var count: UInt64 = 0
  /// Their sum.
  public private(set) var sum: UInt64 = 0
  private var window: UInt64 = 0
  private var current = QuantileSketch()
  private var previous = QuantileSketch()

  /// Creates one without values.
  public init() {}

  /// Takes a value.
  public mutating func record(_ value: UInt64, now: Instant) {
    turn(now)
    count &+= 1
    sum &+= value
    current.insert(value)
  }

  /// Takes all that `other` has.
  public mutating func merge(_ other: Self, now: Instant) {
    var other = other
    other.turn(now)
    turn(now)
    count &+= other.count
    sum &+= other.sum
    current.merge(other.current)
    previous.merge(other.previous)
  }

  /// The values at `MetricSummary.quantiles`; nil when none came for ten minutes, or for as little as
  /// five.
  public func values(now: Instant) -> [Double]? {
    var recent = self
    recent.turn(now)
    recent.previous.merge(recent.current)
    let values = Self.quantiles.compactMap { recent.previous.quantile($0.fraction) }
    return values.count == Self.quantiles.count ? values : nil
  }

  private mutating func turn(_ now: Instant) {
    let next = now.nanoseconds / Self.windowNanoseconds
    guard next != window else { return }
    previous = next == window + 1 ? current : QuantileSketch()
    current = QuantileSketch()
    window = next
  }
}
