/// Figures by key, for a limited number of keys: those that come when it is full share one more place.
///
/// The key that was asked for last is found without hashing it: messages come in rows of one sender.
public struct SeriesTable<Key: Hashable & Sendable, Figures: Sendable>: Sendable {
  @usableFromInline let limit: Int
  @usableFromInline let empty: Figures
  @usableFromInline var places: [Key: Int] = [:]
  @usableFromInline var last: (key: Key, place: Int)?
  /// The place of the keys for which there was none left.
  @usableFromInline var overflow: Int?
  @usableFromInline var rows: [(key: Key?, figures: Figures)] = []

  /// The keys by place, nil for all that have none of their own, with their figures.
  public var entries: [(key: Key?, figures: Figures)] { rows }

  /// Creates a table of at most `limit` keys, each of which begins with `figures`.
  public init(limit: Int, _ figures: Figures) {
    self.limit = limit
    empty = figures
  }

  /// The place of `key` in `entries`; it stays the same.
  @inlinable
  public mutating func place(of key: Key) -> Int {
    if let last, last.key == key { return last.place }
    let place = find(key)
    last = (key, place)
    return place
  }

  /// The figures at a place.
  @inlinable
  public subscript(place: Int) -> Figures {
    get { rows[place].figures }
    _modify { yield &rows[place].figures }
  }

  @inlinable
  mutating func find(_ key: Key) -> Int {
    if let known = places[key] { return known }
    let isFull = places.count >= limit
    if isFull, let overflow { return overflow }
    rows.append((isFull ? nil : key, empty))
    if isFull { overflow = rows.count - 1 } else { places[key] = rows.count - 1 }
    return rows.count - 1
  }
}
