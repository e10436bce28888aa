import JSONTree

/// Where an operand's property is among those that a set of conditions asks for; -1 for nowhere.
struct PropertySource: Equatable, Sendable {
  /// Number of the application property, which goes first.
  var application = -1
  /// Number of the system property.
  var system = -1
}

/// What a set of conditions wants to know of a message's properties, and the answers as bytes.
///
/// A message that can, offers all its application properties in one walk; those that no condition asks
/// for cost one look into a hash table. Its room is kept from one message to the next.
public struct PropertyTable: Sendable {
  enum State: UInt8 { case unasked, absent, valueless, text }

  struct Slot {
    var state = State.unasked
    /// Whether `number` says what the text spells.
    var isRead = false
    /// Where the text is.
    var start = 0
    var end = 0
    /// The number that the text spells, nil if none.
    var number: Double?
  }

  /// A text of a large message is not held longer than the message.
  private static let keptBytes = 65_536

  private let names: [String]
  /// The names' bytes one after the other, and where each is.
  private let nameBytes: [UInt8]
  private let nameRanges: [Range<Int>]
  private let foldsCase: Bool
  /// Open-addressing table of the application properties' numbers + 1, 0 meaning free.
  private let table: [Int32]
  /// Which lengths the application properties' names have.
  private let lengths: UInt64
  /// First the application properties, then the system properties.
  private(set) var slots: [Slot]
  private(set) var text: [UInt8] = []
  /// How much of `text` is this message's; the rest is room that needs no clearing.
  private var textEnd = 0
  /// Whether some condition asks for an application property whose name begins with `$`.
  ///
  /// If not, a message need not tell those from its system properties.
  public let asksDollarNames: Bool
  /// Whether the message has offered all its application properties.
  var isComplete = false

  /// With `foldsCase` the names are in lower case, and a message's keys in any.
  init(applicationNames: [String], systemNames: [String], foldsCase: Bool) {
    names = applicationNames + systemNames
    var bytes: [UInt8] = []
    nameRanges = names.map { name in
      bytes += name.utf8
      return bytes.count - name.utf8.count..<bytes.count
    }
    nameBytes = bytes
    self.foldsCase = foldsCase
    asksDollarNames = applicationNames.contains { $0.utf8.first == UInt8(ascii: "$") }
    slots = Array(repeating: Slot(), count: names.count)
    var capacity = 8
    while capacity < applicationNames.count * 4 { capacity *= 2 }
    var table = Array(repeating: Int32(0), count: capacity)
    for (number, name) in applicationNames.enumerated() {
      var place = Self.hash(name.utf8Span.span) & (capacity - 1)
      while table[place] != 0 { place = (place + 1) & (capacity - 1) }
      table[place] = Int32(number + 1)
    }
    self.table = table
    lengths = applicationNames.reduce(0) { $0 | Self.lengthBit($1.utf8.count) }
  }

  /// Forgets the message.
  mutating func restart() {
    for index in slots.indices where slots[index].state != .unasked { slots[index] = Slot() }
    textEnd = 0
    if text.count > Self.keptBytes { text = [] }
    isComplete = false
  }

  /// The name of the property with this number.
  func name(_ number: Int) -> String { names[number] }

  /// The number of the application property called `key`, nil if no condition asks for it.
  ///
  /// Changes nothing: `mutating` spares each call a copy of the table's fields.
  public mutating func number(of key: Span<UInt8>) -> Int? {
    if !foldsCase || Self.isASCII(key) {
      // Most keys that nobody asks for have another length.
      guard lengths & Self.lengthBit(key.count) != 0 else { return nil }
      return number(of: key, Self.hash(key))
    }
    let copy = unsafe key.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    let lowercased = copy.lowercased()
    let name = lowercased.utf8Span.span
    return number(of: name, Self.hash(name))
  }

  /// A bit for texts of `count` bytes, one for all that are long.
  @inline(__always)
  private static func lengthBit(_ count: Int) -> UInt64 { 1 << UInt64(min(count, 63)) }

  @inline(__always)
  private func number(of key: Span<UInt8>, _ hash: Int) -> Int? {
    let mask = table.count - 1
    var place = hash & mask
    while table[place] != 0 {
      let number = Int(table[place]) - 1
      if isName(number, key) { return number }
      place = (place + 1) & mask
    }
    return nil
  }

  private func isName(_ number: Int, _ key: Span<UInt8>) -> Bool {
    let range = nameRanges[number]
    guard range.count == key.count else { return false }
    let name = nameBytes.span.extracting(range)
    for index in name.indices {
      let byte = key[index]
      let isCapital = foldsCase && byte &- 0x41 < 26
      guard name[index] == (isCapital ? byte | 0x20 : byte) else { return false }
    }
    return true
  }

  /// A hash that does not tell capitals from small letters.
  ///
  /// Needs no seed: the names in the table come from the configuration, so no peer can fill it.
  @inline(__always)
  private static func hash(_ text: Span<UInt8>) -> Int {
    var hash = UInt64(truncatingIfNeeded: text.count)
    forWords(of: text) { word in
      hash = (hash ^ (word | 0x2020_2020_2020_2020)) &* 0x9E37_79B9_7F4A_7C15
      hash ^= hash >> 32
    }
    return Int(truncatingIfNeeded: hash)
  }

  @inline(__always)
  private static func isASCII(_ text: Span<UInt8>) -> Bool {
    var all: UInt64 = 0
    forWords(of: text) { all |= $0 }
    return all & 0x8080_8080_8080_8080 == 0
  }

  /// Goes through a text eight bytes at a time; the last word may overlap the one before it.
  @inline(__always)
  private static func forWords(of text: Span<UInt8>, _ body: (UInt64) -> Void) {
    let count = text.count
    if count >= 8 {
      var index = 0
      while index < count - 8 {
        body(unsafe text.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
        index += 8
      }
      body(unsafe text.bytes.unsafeLoadUnaligned(fromByteOffset: count - 8, as: UInt64.self))
    } else if count >= 4 {
      let low = unsafe text.bytes.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt32.self)
      let high = unsafe text.bytes.unsafeLoadUnaligned(fromByteOffset: count - 4, as: UInt32.self)
      body(UInt64(low) | UInt64(high) << 32)
    } else {
      var word: UInt64 = 0
      for index in text.indices { word = word << 8 | UInt64(text[index]) }
      body(word)
    }
  }

  /// Answers the property with this number, nil for one without value; the last answer counts.
  public mutating func set(_ number: Int, to value: Span<UInt8>?) {
    guard let value else {
      slots[number] = Slot(state: .valueless)
      return
    }
    let start = textEnd
    if Self.isASCII(value) {
      keep(value)
    } else {
      // What is not UTF-8 becomes U+FFFD, as everywhere.
      let copy = unsafe value.withUnsafeBufferPointer {
        unsafe String(decoding: $0, as: UTF8.self)
      }
      keep(copy.utf8Span.span)
    }
    slots[number] = Slot(state: .text, start: start, end: textEnd)
  }

  /// Puts bytes behind those that are kept of this message.
  private mutating func keep(_ bytes: Span<UInt8>) {
    let room = text.count - textEnd
    if room < bytes.count {
      text.append(contentsOf: repeatElement(0, count: max(bytes.count - room, 64)))
    }
    let start = textEnd
    textEnd += bytes.count
    var kept = text.mutableSpan
    for index in bytes.indices { kept[start + index] = bytes[index] }
  }

  mutating func set(_ number: Int, to value: String?) {
    guard let value else {
      slots[number].state = .absent
      return
    }
    let start = textEnd
    keep(value.utf8Span.span)
    slots[number] = Slot(state: .text, start: start, end: textEnd)
  }

  /// The number that the text of a slot spells, read once.
  mutating func number(at index: Int) -> Double? {
    let slot = slots[index]
    if slot.isRead { return slot.number }
    slots[index].isRead = true
    guard slot.state == .text else { return nil }
    let number = Function.number(from: text.span.extracting(slot.start..<slot.end)).double
    slots[index].number = number
    return number
  }

  /// The text of a slot that has one.
  func string(at index: Int) -> String {
    String(decoding: text[slots[index].start..<slots[index].end], as: UTF8.self)
  }
}
