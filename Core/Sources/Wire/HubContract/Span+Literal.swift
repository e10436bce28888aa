extension Span where Element == UInt8 {
  /// Whether the bytes begin with an ASCII literal.
  @inline(__always)
  func starts(with literal: StaticString) -> Bool {
    guard count >= literal.utf8CodeUnitCount else { return false }
    let start = unsafe literal.utf8Start
    for index in 0..<literal.utf8CodeUnitCount {
      if unsafe self[index] != start[index] { return false }
    }
    return true
  }

  /// Whether the bytes are an ASCII literal.
  @inline(__always)
  func equals(_ literal: StaticString) -> Bool {
    count == literal.utf8CodeUnitCount && starts(with: literal)
  }
}
