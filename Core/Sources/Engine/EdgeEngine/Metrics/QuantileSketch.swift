/// Quantiles of a stream of whole numbers, in bounded memory.
///
/// A histogram whose buckets grow with the values: up to 31 each value has its own, and from there on
/// 32 buckets share what lies between two powers of two. A quantile is the middle of its bucket, so it
/// is wrong by at most 1/64 of the true value. Memory is taken for the powers of two between the least
/// and the greatest value alone: 128 bytes each, 5 KiB at most.
public struct QuantileSketch: Equatable, Sendable {
  /// The greatest value; what is greater counts as this.
  public static let greatest: UInt64 = (1 << 44) - 1
  private static let perOctave = 32
  private static let octaveBits: UInt64 = 5

  /// How many values there were.
  public private(set) var count: UInt64 = 0
  /// The bucket that `counts` begins with.
  private var first = 0
  private var counts: [UInt32] = []

  /// Creates an empty one.
  public init() {}

  /// Takes a value.
  public mutating func insert(_ value: UInt64) {
    let bucket = Self.bucket(of: min(value, Self.greatest))
    reach(bucket)
    let index = bucket - first
    if counts[index] < .max { counts[index] += 1 }
    count &+= 1
  }

  /// Takes all values of `other`.
  public mutating func merge(_ other: Self) {
    guard other.count > 0 else { return }
    reach(other.first)
    reach(other.first + other.counts.count - 1)
    for (index, more) in other.counts.enumerated() {
      let (sum, overflow) = counts[other.first - first + index].addingReportingOverflow(more)
      counts[other.first - first + index] = overflow ? .max : sum
    }
    count &+= other.count
  }

  /// The value that `fraction` of all values do not exceed; nil if there are none.
  public func quantile(_ fraction: Double) -> Double? {
    let total = counts.reduce(UInt64(0)) { $0 + UInt64($1) }
    guard total > 0 else { return nil }
    let wanted = max(1, (fraction.clamped * Double(total)).rounded(.up))
    var seen: UInt64 = 0
    for (index, count) in counts.enumerated() {
      seen += UInt64(count)
      if Double(seen) >= wanted { return Self.middle(of: first + index) }
    }
    return nil
  }

  /// Makes room for a bucket, in whole octaves.
  private mutating func reach(_ bucket: Int) {
    let start = bucket / Self.perOctave * Self.perOctave
    if counts.isEmpty { first = start }
    if start < first {
      counts.insert(contentsOf: repeatElement(0, count: first - start), at: 0)
      first = start
    }
    let missing = start + Self.perOctave - first - counts.count
    if missing > 0 { counts.append(contentsOf: repeatElement(0, count: missing)) }
  }

  private static func bucket(of value: UInt64) -> Int {
    guard value >= UInt64(perOctave) else { return Int(value) }
    let exponent = UInt64(63 - value.leadingZeroBitCount)
    let shift = exponent - octaveBits
    return Int(shift + 1) * perOctave + Int(value >> shift) - perOctave
  }

  private static func middle(of bucket: Int) -> Double {
    guard bucket >= perOctave else { return Double(bucket) }
    let shift = UInt64(bucket / perOctave - 1)
    let lowest = UInt64(bucket % perOctave + perOctave) << shift
    return Double(lowest) + Double((UInt64(1) << shift) - 1) / 2
  }
}

extension Double {
  fileprivate var clamped: Double { self > 0 ? min(self, 1) : 0 }
}
