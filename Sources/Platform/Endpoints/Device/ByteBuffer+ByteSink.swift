public import ByteIO
public import NIOCore

/// Lets the encoders of the Core write straight into what leaves by a channel.
extension ByteBuffer: @retroactive ByteSink {
  /// Appends one byte.
  public mutating func uint8(_ value: UInt8) { writeInteger(value) }

  /// Appends borrowed bytes.
  public mutating func append(_ more: Span<UInt8>) {
    _ = more.withUnsafeBufferPointer { writeBytes($0) }
  }

  /// Appends a big-endian 16-bit integer.
  public mutating func uint16(_ value: UInt16) { writeInteger(value) }

  /// Appends a big-endian 32-bit integer.
  public mutating func uint32(_ value: UInt32) { writeInteger(value) }
}
