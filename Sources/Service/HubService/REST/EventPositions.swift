import ByteIO
import HubContract
import MessageLog

/// Where a reader of the event stream goes on, in each partition that it reads.
///
/// A continuation is its text, so that what one call has not given the next one will, and nothing
/// twice.
struct EventPositions: Equatable, Sendable {
  /// The start of the next reading by partition.
  var starts: [UInt16: LogStart]

  private static let version = "1"

  init(_ starts: [UInt16: LogStart]) { self.starts = starts }

  /// The partitions in order.
  var partitions: [UInt16] { starts.keys.sorted() }

  /// The same with `latest` pinned to the end of `view`, so that nothing behind it is passed over.
  func resolved(in view: LogView) -> EventPositions {
    EventPositions(
      Dictionary(
        uniqueKeysWithValues: starts.map { partition, start in
          guard start == .latest else { return (partition, start) }
          return (partition, .sequence(view[partition].nextSequence, inclusive: true))
        }
      )
    )
  }

  /// Which of `count` partitions is read first: another one with every event that was given.
  func turn(of count: Int) -> Int {
    guard count > 0 else { return 0 }
    let given = starts.values.reduce(into: UInt64(0)) { sum, start in
      if case .sequence(let sequence, _) = start { sum &+= sequence }
    }
    return Int(given % UInt64(count))
  }

  // MARK: Texts

  /// Reads `earliest`, `latest`, `offset:N` (behind it), `sequence:N` (from it on) or `time:T`.
  static func start(_ text: String) -> LogStart? {
    if text == "earliest" { return .earliest }
    if text == "latest" { return .latest }
    guard let colon = text.firstIndex(of: ":") else { return nil }
    let value = String(text[colon...].dropFirst())
    switch text[..<colon] {
    case "offset": return number(value).map { .offset($0, inclusive: false) }
    case "sequence": return number(value).map { .sequence($0, inclusive: true) }
    case "time":
      return Timestamp(iso8601: value).map {
        .enqueuedTime(UInt64(clamping: $0.milliseconds), inclusive: true)
      }
    default: return nil
    }
  }

  /// The text that `start` reads.
  static func text(_ start: LogStart) -> String {
    switch start {
    case .earliest: "earliest"
    case .latest: "latest"
    case .offset(let offset, inclusive: false): "offset:\(offset)"
    case .offset(let offset, inclusive: true): "offset:\(offset &- 1)"
    case .sequence(let sequence, inclusive: true): "sequence:\(sequence)"
    case .sequence(let sequence, inclusive: false): "sequence:\(sequence &+ 1)"
    case .enqueuedTime(let time, let inclusive):
      "time:\(Timestamp(milliseconds: Int64(clamping: inclusive ? time : time &+ 1)).iso8601)"
    }
  }

  /// An opaque text from which the positions can be made again.
  var continuation: String {
    let parts = partitions.compactMap { partition in
      starts[partition].map { "\(partition)=\(Self.text($0))" }
    }
    return Hex.encode(([Self.version] + parts).joined(separator: "|").utf8)
  }

  /// Reads a continuation; nil for what is none of a log with so many partitions.
  init?(continuation: String, partitionCount: UInt16) {
    guard continuation.utf8.count <= 8192, let bytes = Hex.decode(continuation),
      let text = String(validating: bytes, as: UTF8.self)
    else { return nil }
    let parts = text.split(separator: "|", omittingEmptySubsequences: false)
    guard parts.first.map(String.init) == Self.version, parts.count > 1 else { return nil }
    var starts: [UInt16: LogStart] = [:]
    for part in parts.dropFirst() {
      guard let equals = part.firstIndex(of: "="), let partition = UInt16(part[..<equals]),
        partition < partitionCount,
        let start = Self.start(String(part[equals...].dropFirst())),
        starts.updateValue(start, forKey: partition) == nil
      else { return nil }
    }
    self.starts = starts
  }

  private static func number(_ text: String) -> UInt64? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return UInt64(text)
  }
}
