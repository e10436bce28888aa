/// The members of a JSON object, in the order in which they were first set.
///
/// Look-up costs a few comparisons for small objects and one hash for large ones, so an object of
/// a hundred thousand keys is built in linear time. Keys are compared by their Unicode scalars.
/// Equality ignores the order.
public struct JSONObject: Sendable {
  struct Member: Sendable {
    var key: String
    var value: JSONValue
  }

  /// Beyond this many members a hash index is kept; below it, comparing is faster than hashing.
  private static let indexedCount = 16

  private(set) var members: [Member] = []
  /// Open-addressing table of positions + 1, 0 meaning free; empty while there are few members.
  private var slots: [Int32] = []

  /// Creates an object without members.
  public init() {}

  /// Creates an object without members that has room for some.
  init(capacity: Int) { members.reserveCapacity(capacity) }

  /// Creates an object of `members`; of those with the same key the last wins, in the place of the
  /// first.
  public init(_ members: some Sequence<(key: String, value: JSONValue)>) {
    for (key, value) in members { set(key, to: value) }
  }

  /// Members in the object.
  public var count: Int { members.count }

  /// Whether there are no members.
  public var isEmpty: Bool { members.isEmpty }

  /// The keys, in order.
  public var keys: [String] { members.map(\.key) }

  /// The values, in order.
  public var values: [JSONValue] { members.map(\.value) }

  /// Whether there is a member called `key`.
  public func contains(_ key: String) -> Bool { position(of: key) != nil }

  /// The member called `key`.
  ///
  /// Setting an existing one keeps its place, setting a new one appends, setting nil removes.
  public subscript(key: String) -> JSONValue? {
    get { position(of: key).map { members[$0].value } }
    set {
      if let newValue { set(key, to: newValue) } else { removeAll(named: [key]) }
    }
  }

  /// Puts a member at its place, or at the end if it is new.
  mutating func set(_ key: String, to value: JSONValue) {
    if slots.isEmpty {
      if let position = position(of: key) {
        members[position].value = value
        return
      }
      members.append(Member(key: key, value: value))
      if members.count > Self.indexedCount { rebuildIndex() }
      return
    }
    let slot = slot(of: key)
    if slots[slot] != 0 {
      members[Int(slots[slot]) - 1].value = value
      return
    }
    members.append(Member(key: key, value: value))
    slots[slot] = Int32(members.count)
    if members.count * 2 > slots.count { rebuildIndex() }
  }

  /// Changes the value called `key` where it lies; does nothing if there is none.
  ///
  /// The value is taken out meanwhile, so that a nested object is not copied by its change.
  mutating func update(_ key: String, _ change: (inout JSONValue) -> Void) -> Bool {
    guard let position = position(of: key) else { return false }
    var value = JSONValue.null
    swap(&value, &members[position].value)
    change(&value)
    swap(&value, &members[position].value)
    return true
  }

  /// Removes the members called so, in one pass over the object.
  mutating func removeAll(named keys: [String]) {
    var doomed: [Int] = keys.compactMap { position(of: $0) }
    guard !doomed.isEmpty else { return }
    if doomed.count == 1 {
      members.remove(at: doomed[0])
    } else {
      doomed.sort()
      var next = 0
      var kept = 0
      for index in members.indices {
        if next < doomed.count, doomed[next] == index {
          while next < doomed.count, doomed[next] == index { next += 1 }
          continue
        }
        if kept != index { members.swapAt(kept, index) }
        kept += 1
      }
      members.removeLast(members.count - kept)
    }
    rebuildIndex()
  }

  private func position(of key: String) -> Int? {
    guard slots.isEmpty else {
      let found = slots[slot(of: key)]
      return found == 0 ? nil : Int(found) - 1
    }
    for index in members.indices where members[index].key.ordinallyEquals(key) { return index }
    return nil
  }

  /// The slot that holds `key`, or the free one where it would go.
  private func slot(of key: String) -> Int {
    let mask = slots.count - 1
    var slot = key.ordinalHash & mask
    while slots[slot] != 0, !members[Int(slots[slot]) - 1].key.ordinallyEquals(key) {
      slot = (slot + 1) & mask
    }
    return slot
  }

  private mutating func rebuildIndex() {
    guard members.count > Self.indexedCount else {
      slots = []
      return
    }
    var capacity = 32
    while capacity < members.count * 4 { capacity *= 2 }
    slots = [Int32](repeating: 0, count: capacity)
    for index in members.indices { slots[slot(of: members[index].key)] = Int32(index + 1) }
  }
}

extension JSONObject: Equatable {
  /// Whether both have the same members, in any order.
  public static func == (first: JSONObject, second: JSONObject) -> Bool {
    guard first.count == second.count else { return false }
    for member in first.members where second[member.key] != member.value { return false }
    return true
  }
}

extension JSONObject: Sequence {
  /// Goes through the members in order.
  public struct Iterator: IteratorProtocol {
    private let members: [Member]
    private var index = 0

    init(_ members: [Member]) { self.members = members }

    /// The next member.
    public mutating func next() -> (key: String, value: JSONValue)? {
      guard index < members.count else { return nil }
      defer { index += 1 }
      return (members[index].key, members[index].value)
    }
  }

  /// An iterator over the members in order.
  public func makeIterator() -> Iterator { Iterator(members) }

  /// The number of members.
  public var underestimatedCount: Int { count }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  /// An object of `elements`; of those with the same key the last wins.
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    for (key, value) in elements { set(key, to: value) }
  }
}
