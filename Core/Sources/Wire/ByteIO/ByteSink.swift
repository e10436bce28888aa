/// Something that bytes are appended to: a `ByteWriter` here, a channel's buffer in the drivers.
///
/// Encoders are generic over it, so that a packet is written once, where it leaves from. Integers
/// are big-endian unless the name says `LE`.
public protocol ByteSink {
  /// Appends one byte.
  mutating func uint8(_ value: UInt8)
  /// Appends borrowed bytes.
  mutating func append(_ more: Span<UInt8>)
  /// Appends a big-endian 16-bit integer.
  ///
  /// It and the next have defaults in terms of `uint8`, for sinks that have no faster way.
  mutating func uint16(_ value: UInt16)
  /// Appends a big-endian 32-bit integer.
  mutating func uint32(_ value: UInt32)
}

extension ByteSink {
  /// Appends a big-endian 16-bit integer.
  @inlinable
  public mutating func uint16(_ value: UInt16) {
    uint8(UInt8(truncatingIfNeeded: value >> 8))
    uint8(UInt8(truncatingIfNeeded: value))
  }

  /// Appends a big-endian 32-bit integer.
  @inlinable
  public mutating func uint32(_ value: UInt32) {
    uint16(UInt16(truncatingIfNeeded: value >> 16))
    uint16(UInt16(truncatingIfNeeded: value))
  }

  /// Appends a big-endian 64-bit integer.
  @inlinable
  public mutating func uint64(_ value: UInt64) {
    uint32(UInt32(truncatingIfNeeded: value >> 32))
    uint32(UInt32(truncatingIfNeeded: value))
  }

  /// Appends a little-endian 16-bit integer.
  @inlinable public mutating func uint16LE(_ value: UInt16) { uint16(value.byteSwapped) }

  /// Appends a little-endian 32-bit integer.
  @inlinable public mutating func uint32LE(_ value: UInt32) { uint32(value.byteSwapped) }

  /// Appends a little-endian 64-bit integer.
  @inlinable public mutating func uint64LE(_ value: UInt64) { uint64(value.byteSwapped) }

  /// Appends an array's bytes.
  @inlinable public mutating func append(_ more: [UInt8]) { append(more.span) }

  /// Appends the UTF-8 form of `text`, without a length.
  @inlinable
  public mutating func utf8(_ text: String) {
    append([UInt8](text.utf8))
  }
}
