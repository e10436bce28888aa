internal import ByteIO

/// The rules for the text of topic names and topic filters (MQTT 3.1.1 §4.7).
///
/// All of it works on the UTF-8 bytes: no `String` is made, so a comparison means exactly what the
/// standard says, byte for byte and without normalisation [MQTT-4.7.3-4].
public enum Topic {
  /// Checks a topic name: not empty, well-formed UTF-8 without U+0000, no wildcard.
  ///
  /// With `wildcardsAreLiteral`, `#` and `+` are letters like others. Faults: `emptyTopic`,
  /// `invalidUTF8`, `nullCharacter`, `wildcardInTopicName`.
  public static func checkName(
    _ name: Span<UInt8>,
    wildcardsAreLiteral: Bool = false
  ) throws(MQTTFault) {
    guard !name.isEmpty else { throw .emptyTopic }
    if isPlain(name) { return }
    try checkText(name)
    if wildcardsAreLiteral { return }
    for index in name.indices where name[index] == 0x23 || name[index] == 0x2B {
      throw .wildcardInTopicName
    }
  }

  /// Checks a topic filter: as a name, but with wildcards in the places where they may stand.
  ///
  /// With `wildcardsAreLiteral` they may stand anywhere. Faults: `emptyTopic`, `invalidUTF8`,
  /// `nullCharacter`, `invalidTopicFilter`.
  public static func checkFilter(
    _ filter: Span<UInt8>,
    wildcardsAreLiteral: Bool = false
  ) throws(MQTTFault) {
    guard !filter.isEmpty else { throw .emptyTopic }
    try checkText(filter)
    if wildcardsAreLiteral { return }
    for index in filter.indices {
      let byte = filter[index]
      guard byte == 0x23 || byte == 0x2B else { continue }
      let begins = index == 0 || filter[index - 1] == 0x2F
      let isLast = index == filter.count - 1
      let ends = isLast || byte == 0x2B && filter[index + 1] == 0x2F
      guard begins, ends else { throw .invalidTopicFilter }
    }
  }

  /// Whether a valid topic name falls under a valid topic filter.
  ///
  /// A filter that begins with a wildcard does not match names that begin with `$`
  /// [MQTT-4.7.2-1]; `a/#` matches `a` as well (§4.7.1.2).
  public static func matches(_ name: Span<UInt8>, filter: Span<UInt8>) -> Bool {
    guard !name.isEmpty, !filter.isEmpty else { return false }
    if name[0] == 0x24, filter[0] == 0x23 || filter[0] == 0x2B { return false }
    var here = 0
    var there = 0
    while there < filter.count {
      switch filter[there] {
      case 0x23:
        return true
      case 0x2B:
        while here < name.count, name[here] != 0x2F { here += 1 }
        there += 1
      default:
        guard here < name.count else {
          return isParentEnding(filter, from: there)
        }
        guard name[here] == filter[there] else { return false }
        here += 1
        there += 1
      }
    }
    return here == name.count
  }

  /// Whether the rest of the filter is `/#`, which the parent level matches too.
  private static func isParentEnding(_ filter: Span<UInt8>, from index: Int) -> Bool {
    filter.count - index == 2 && filter[index] == 0x2F && filter[index + 1] == 0x23
  }
}

extension Topic {
  /// Checks a string field: well-formed UTF-8 [MQTT-1.5.3-1] without U+0000 [MQTT-1.5.3-2].
  static func checkText(_ text: Span<UInt8>) throws(MQTTFault) {
    guard UTF8Check.isValid(text) else { throw .invalidUTF8 }
    for index in text.indices where text[index] == 0 { throw .nullCharacter }
  }

  /// Whether all bytes are ASCII without NUL, `#` and `+`: most topics, eight bytes at a time.
  ///
  /// A false answer means "look closer".
  @inline(__always)
  static func isPlain(_ text: Span<UInt8>) -> Bool {
    let count = text.count
    guard count >= 8 else {
      for index in text.indices {
        let byte = text[index]
        if byte == 0 || byte >= 0x80 || byte == 0x23 || byte == 0x2B { return false }
      }
      return true
    }
    let bytes = unsafe text.bytes
    var offset = 0
    var suspicion: UInt64 = 0
    while offset <= count - 8 {
      suspicion |= suspicious(word(bytes, offset))
      offset += 8
    }
    // The last, overlapping word covers what a loop over single bytes would have to.
    return (suspicion | suspicious(word(bytes, count - 8))) & 0x8080_8080_8080_8080 == 0
  }

  /// Loads eight bytes.
  ///
  /// The load is bounds-checked; what it leaves to the caller is only the choice of a type of which
  /// every bit pattern is a value.
  @inline(__always)
  private static func word(_ bytes: RawSpan, _ offset: Int) -> UInt64 {
    unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
  }

  /// Sets the top bit of some byte if a byte is not ASCII, NUL, `#` or `+`.
  ///
  /// Subtracting 1 sets the top bit of a byte that is 0 and, below 0x80, of no other. `#` (0x23) and
  /// `+` (0x2B) differ in one bit, so setting that bit makes one test of two.
  @inline(__always)
  private static func suspicious(_ word: UInt64) -> UInt64 {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let wildcard = (word | 0x0808_0808_0808_0808) ^ 0x2B2B_2B2B_2B2B_2B2B
    return word | (word &- ones) | (wildcard &- ones)
  }
}
