/// A growing byte array, the plainest `ByteSink`.
public struct ByteWriter: ByteSink, Sendable {
  /// What was written so far.
  public var bytes: [UInt8]

  /// Creates an empty writer with room for `capacity` bytes.
  public init(capacity: Int = 0) {
    bytes = []
    bytes.reserveCapacity(capacity)
  }

  /// Bytes written so far.
  public var count: Int { bytes.count }

  /// Forgets what was written and keeps the storage.
  public mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  /// Appends one byte.
  @inlinable public mutating func uint8(_ value: UInt8) { bytes.append(value) }

  /// Appends borrowed bytes.
  @inlinable
  public mutating func append(_ more: Span<UInt8>) {
    unsafe more.withUnsafeBufferPointer { unsafe bytes.append(contentsOf: $0) }
  }
}
