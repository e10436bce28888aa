import ByteIO

/// Values in Avro's binary encoding (Avro 1.11 specification, "Binary Encoding").
struct AvroWriter {
  private(set) var bytes: [UInt8] = []

  /// A `long`: zig-zag, then seven bits a byte, lowest first.
  mutating func long(_ value: Int64) {
    var rest = UInt64(bitPattern: value << 1 ^ value >> 63)
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// `bytes`: a length, then the bytes.
  mutating func bytes(_ value: [UInt8]) {
    long(Int64(value.count))
    bytes += value
  }

  /// A `string`: as `bytes`, in UTF-8.
  mutating func string(_ text: String) { bytes([UInt8](text.utf8)) }

  /// A `map` in one block, closed by an empty one.
  mutating func map<Value>(
    _ pairs: [(key: String, value: Value)],
    _ write: (inout AvroWriter, Value) -> Void
  ) {
    if !pairs.isEmpty {
      long(Int64(pairs.count))
      for (key, value) in pairs {
        string(key)
        write(&self, value)
      }
    }
    long(0)
  }

  /// Bytes as they are: fixed values, and what is encoded already.
  mutating func raw(_ value: [UInt8]) { bytes += value }
}
