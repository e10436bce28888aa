/// A forward cursor over borrowed bytes that answers `nil` when the bytes run out.
///
/// Integers are big-endian unless the name says `LE`, because MQTT, AMQP and CBOR are; the message
/// log is little-endian. A failed read leaves the cursor where it was.
public struct ByteReader: ~Escapable {
  /// The bytes that are read.
  public let bytes: Span<UInt8>
  /// Index of the next byte to read, in `0...bytes.count`.
  public private(set) var position: Int

  /// Creates a cursor at the first byte of `bytes`.
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) {
    self.bytes = bytes
    self.position = 0
  }

  /// Bytes not read yet.
  public var remaining: Int { bytes.count - position }

  /// Moves past `count` bytes; false, without moving, if there are fewer or `count` is negative.
  @_lifetime(self: copy self)
  public mutating func skip(_ count: Int) -> Bool {
    guard count >= 0, count <= remaining else { return false }
    position += count
    return true
  }

  /// Takes the next `count` bytes as a range of `bytes`.
  @_lifetime(self: copy self)
  public mutating func range(_ count: Int) -> Range<Int>? {
    let start = position
    guard skip(count) else { return nil }
    return start..<position
  }

  /// Reads one byte.
  @_lifetime(self: copy self)
  public mutating func uint8() -> UInt8? {
    guard position < bytes.count else { return nil }
    defer { position += 1 }
    return bytes[position]
  }

  /// Reads a big-endian 16-bit integer.
  @_lifetime(self: copy self)
  public mutating func uint16() -> UInt16? {
    guard let value = bytes.uint16(at: position) else { return nil }
    position += 2
    return value
  }

  /// Reads a big-endian 32-bit integer.
  @_lifetime(self: copy self)
  public mutating func uint32() -> UInt32? {
    guard remaining >= 4, let high = uint16(), let low = uint16() else { return nil }
    return UInt32(high) << 16 | UInt32(low)
  }

  /// Reads a big-endian 64-bit integer.
  @_lifetime(self: copy self)
  public mutating func uint64() -> UInt64? {
    guard remaining >= 8, let high = uint32(), let low = uint32() else { return nil }
    return UInt64(high) << 32 | UInt64(low)
  }

  /// Reads a little-endian 16-bit integer.
  @_lifetime(self: copy self)
  public mutating func uint16LE() -> UInt16? { uint16().map { $0.byteSwapped } }

  /// Reads a little-endian 32-bit integer.
  @_lifetime(self: copy self)
  public mutating func uint32LE() -> UInt32? { uint32().map { $0.byteSwapped } }

  /// Reads a little-endian 64-bit integer.
  @_lifetime(self: copy self)
  public mutating func uint64LE() -> UInt64? { uint64().map { $0.byteSwapped } }
}

extension Span where Element == UInt8 {
  /// The big-endian 16-bit integer that starts at `index`, or nil if it does not lie inside.
  @inlinable
  public func uint16(at index: Int) -> UInt16? {
    guard index >= 0, count - index >= 2 else { return nil }
    return UInt16(self[index]) << 8 | UInt16(self[index + 1])
  }

  /// Whether the bytes equal `other`.
  ///
  /// Not for secrets: see `ConstantTime`.
  @inlinable
  public func elementsEqual(_ other: Span<UInt8>) -> Bool {
    guard count == other.count else { return false }
    for index in indices where self[index] != other[index] { return false }
    return true
  }

  /// Whether the bytes begin with `prefix`.
  @inlinable
  public func starts(with prefix: Span<UInt8>) -> Bool {
    guard count >= prefix.count else { return false }
    for index in prefix.indices where self[index] != prefix[index] { return false }
    return true
  }

  /// The bytes copied into an array.
  @inlinable
  public func array() -> [UInt8] {
    unsafe withUnsafeBufferPointer { unsafe [UInt8]($0) }
  }
}
