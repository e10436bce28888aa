internal import ByteIO

/// One property of a message, decoded.
public struct MessageProperty: Equatable, Sendable {
  /// The name.
  public var name: String
  /// The value; nil is the null that a key without `=` stands for (contract §3.4).
  public var value: String?

  /// Creates a property.
  public init(_ name: String, _ value: String?) {
    self.name = name
    self.value = value
  }
}

/// The properties of a message in the form they travel in: `k=v` pairs joined by `&`, percent-encoded.
///
/// Any bytes are a bag: there is no syntax error. A `?` before the first pair and one `/` at the end
/// are skipped, empty pairs are ignored, the value is all that follows the first `=`, a key alone has
/// no value, and a broken escape stands for itself. Walking it allocates nothing. (contract §3.4)
public struct PropertyBag: ~Escapable {
  /// The bag's bytes as they came, after the topic's fixed part.
  public let bytes: Span<UInt8>

  /// Reads `bytes` as a bag.
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) { self.bytes = bytes }

  /// A pair as ranges of `bytes`, still encoded.
  public struct Entry: Equatable, Sendable {
    /// Where the key is.
    public let key: Range<Int>
    /// Where the value is, nil if there is no `=`.
    public let value: Range<Int>?
    /// Whether key or value hold a `%`, so that they may stand for other bytes.
    public let isEscaped: Bool

    @inlinable
    init(key: Range<Int>, value: Range<Int>?, isEscaped: Bool) {
      self.key = key
      self.value = value
      self.isEscaped = isEscaped
    }
  }

  /// Walks over the pairs of a bag.
  public struct Iterator: ~Escapable {
    @usableFromInline let bytes: Span<UInt8>
    @usableFromInline var position: Int
    @usableFromInline let end: Int

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>) {
      self.bytes = bytes
      position = !bytes.isEmpty && bytes[0] == UInt8(ascii: "?") ? 1 : 0
      let last = bytes.count - 1
      end = last >= position && bytes[last] == UInt8(ascii: "/") ? last : bytes.count
    }

    /// The next pair, nil after the last.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func next() -> Entry? {
      while position < end {
        let start = position
        let (equals, isEscaped) = skipPair()
        let stop = position
        position += 1
        if stop == start { continue }
        return Entry(
          key: start..<(equals ?? stop),
          value: equals.map { $0 + 1..<stop },
          isEscaped: isEscaped
        )
      }
      return nil
    }

    /// Goes to the `&` behind the pair, or to the end; tells where its first `=` is and whether there
    /// is a `%` in it.
    @inlinable
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func skipPair() -> (equals: Int?, isEscaped: Bool) {
      var equals: Int?
      var isEscaped = false
      // Eight bytes at a time: every message's bag is walked, some more than once.
      while end - position >= 8 {
        let word = bytes.littleEndianWord(position)
        let ampersands = word.marks(UInt8(ascii: "&"))
        // The marks before the first `&`; they may be wrong behind a right one only.
        let before = ampersands == 0 ? UInt64.max : (ampersands & (0 &- ampersands)) &- 1
        if equals == nil {
          let marks = word.marks(UInt8(ascii: "=")) & before
          if marks != 0 { equals = position + marks.trailingZeroBitCount / 8 }
        }
        if word.marks(UInt8(ascii: "%")) & before != 0 { isEscaped = true }
        guard ampersands == 0 else {
          position += ampersands.trailingZeroBitCount / 8
          return (equals, isEscaped)
        }
        position += 8
      }
      while position < end, bytes[position] != UInt8(ascii: "&") {
        if equals == nil, bytes[position] == UInt8(ascii: "=") { equals = position }
        if bytes[position] == UInt8(ascii: "%") { isEscaped = true }
        position += 1
      }
      return (equals, isEscaped)
    }
  }

  /// A walk from the first pair.
  @_lifetime(copy self)
  public func makeIterator() -> Iterator { Iterator(bytes) }

  /// The system property that an entry's key names, nil for an application property.
  @inlinable
  public func systemProperty(of entry: Entry) -> SystemProperty? {
    guard !entry.key.isEmpty else { return nil }
    // Nearly every application property is told apart by its first byte.
    let first = bytes[entry.key.lowerBound]
    guard first == UInt8(ascii: "$") || first == UInt8(ascii: "%") else { return nil }
    return SystemProperty(encodedKey: bytes.extracting(entry.key))
  }

  /// Whether an entry's key begins with a `$`, escaped or not, as those of all system properties do.
  @inlinable
  public func beginsWithDollar(_ entry: Entry) -> Bool {
    guard !entry.key.isEmpty else { return false }
    let start = entry.key.lowerBound
    if bytes[start] == UInt8(ascii: "$") { return true }
    return bytes[start] == UInt8(ascii: "%") && entry.key.count >= 3
      && bytes[start + 1] == UInt8(ascii: "2") && bytes[start + 2] == UInt8(ascii: "4")
  }

  /// Whether an entry's key stands for `name`; escapes are resolved on the way, nothing is allocated.
  public func isNamed(_ entry: Entry, _ name: Span<UInt8>) -> Bool {
    var cursor = PercentCursor(bytes.extracting(entry.key))
    for index in name.indices where cursor.next() != name[index] { return false }
    return cursor.next() == nil
  }

  /// Whether an entry's key stands for `name`, which is in lower case, whatever the key's own case.
  ///
  /// Nothing is allocated while the key is ASCII.
  public func isNamed(_ entry: Entry, ignoringCaseOf name: String) -> Bool {
    let lowercased = name.utf8Span.span
    var cursor = PercentCursor(bytes.extracting(entry.key))
    for index in lowercased.indices {
      guard let byte = cursor.next() else { return false }
      guard byte < 0x80 else {
        return text(entry.key).lowercased().utf8.elementsEqual(name.utf8)
      }
      let isCapital = (0x41...0x5A).contains(byte)
      guard isCapital ? byte | 0x20 == lowercased[index] : byte == lowercased[index] else {
        // A capital beyond ASCII has another first byte than its small letter.
        return false
      }
    }
    return cursor.next() == nil
  }

  /// The bytes that a range of `bytes` stands for.
  public func decoded(_ range: Range<Int>) -> [UInt8] {
    PercentCursor.decode(bytes.extracting(range))
  }

  /// The decoded text of a range of `bytes`; what is not UTF-8 once decoded becomes U+FFFD.
  public func text(_ range: Range<Int>) -> String {
    PercentCursor.decodeText(bytes.extracting(range))
  }

  /// The value of a system property; the last one if the key occurs more than once.
  ///
  /// Nil if it is absent or null.
  public func value(of property: SystemProperty) -> String? {
    var found: Range<Int>?
    var iterator = makeIterator()
    while let entry = iterator.next() {
      if systemProperty(of: entry) == property { found = entry.value }
    }
    guard let found else { return nil }
    return text(found)
  }

  /// All properties decoded, in the order of their first occurrence; of equal keys the last value
  /// wins (contract §3.4).
  public func properties() -> [MessageProperty] {
    var properties: [MessageProperty] = []
    // Keyed by the decoded text's bytes: equality of strings joins names that differ on the wire,
    // and names that differ only in broken UTF-8 have become the same text.
    var places: [[UInt8]: Int] = [:]
    var iterator = makeIterator()
    while let entry = iterator.next() {
      let name = text(entry.key)
      var value: String?
      if let range = entry.value { value = text(range) }
      let key = Array(name.utf8)
      if let place = places[key] {
        properties[place].value = value
      } else {
        places[key] = properties.count
        properties.append(MessageProperty(name, value))
      }
    }
    return properties
  }
}
