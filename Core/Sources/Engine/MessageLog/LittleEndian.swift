// The log's integers are little-endian, as the machines that write it are: a header is read and
// stamped with single loads and stores. Every access is bounds-checked by the span.

extension Span where Element == UInt8 {
  /// The integer at `offset`, which must lie inside.
  func loadLE<Value: FixedWidthInteger & BitwiseCopyable>(
    _ offset: Int,
    as type: Value.Type
  ) -> Value {
    // Any bit pattern is an integer: "unsafe" speaks of types that have invalid ones.
    unsafe Value(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: type))
  }
}

extension MutableSpan where Element == UInt8 {
  /// Stores `value` at `offset`, which must lie inside with all its bytes.
  @_lifetime(self: copy self)
  mutating func storeLE<Value: FixedWidthInteger & BitwiseCopyable>(
    _ value: Value,
    at offset: Int
  ) {
    // Any bytes make a valid `UInt8`, which is what "unsafe" asks about.
    var raw = unsafe mutableBytes
    raw.storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self)
  }
}
