import ByteIO

extension String {
  /// Whether both hold the same Unicode scalars.
  ///
  /// `==` compares by canonical equivalence, which is slower and joins texts that differ on the
  /// wire.
  package func ordinallyEquals(_ other: String) -> Bool {
    // Cheaper than asking for the bytes, and most texts that differ, differ here.
    guard utf8.count == other.utf8.count else { return false }
    let mine = utf8Span.span
    let theirs = other.utf8Span.span
    return mine.elementsEqual(theirs)
  }

  /// Whether this comes before `other` by Unicode scalars, which is also the order of the UTF-8
  /// bytes.
  package func ordinallyPrecedes(_ other: String) -> Bool {
    let mine = utf8Span.span
    let theirs = other.utf8Span.span
    var index = 0
    while index < mine.count, index < theirs.count {
      if mine[index] != theirs[index] { return mine[index] < theirs[index] }
      index += 1
    }
    return mine.count < theirs.count
  }

  /// A hash of the scalars that fits `ordinallyEquals`, seeded anew in every process.
  ///
  /// The seed keeps a peer from choosing keys that collide. It never shows: nothing is ordered by
  /// it.
  package var ordinalHash: Int {
    var hasher = Hasher()
    let bytes = utf8Span.span
    unsafe bytes.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
    return hasher.finalize()
  }
}
