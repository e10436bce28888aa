import JSONTree
import Platform

/// Where an endpoint stands in each partition, in a small file that is replaced whole.
struct EndpointCheckpoint: Sendable {
  let path: String

  /// The numbers of the next events, by partition; nil if there is no file that can be read.
  func read() -> [UInt64]? {
    guard let bytes = try? PrivateFile.read(path), let json = try? JSON.parse(bytes),
      let elements = json.arrayValue
    else { return nil }
    let numbers = elements.compactMap { $0.int64Value.flatMap { UInt64(exactly: $0) } }
    return numbers.count == elements.count ? numbers : nil
  }

  /// Forgets where the endpoint stands, which is none any more.
  func remove() { PrivateFile.removeTree(path) }

  /// Makes `positions` durable.
  func write(_ positions: [UInt64]) throws(FileFault) {
    let json = JSONValue.array(positions.map { .int(Int64(clamping: $0)) })
    try PrivateFile.replace(path, with: JSON.bytes(json))
  }
}
