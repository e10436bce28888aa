public import JSONTree

/// Collects the rows of a query with aggregates or groups (hub contract section 7.7).
///
/// Memory grows with the number of groups, never with the number of rows.
public struct Aggregation: Sendable {
  private struct Group {
    var keys: [JSONValue?]
    var columns: [Column]
  }

  /// One aggregate's state.
  fileprivate struct Column {
    var count: Int64 = 0
    var sum: Value = .integer(0)
    var extreme: Value = .undefined
  }

  private let items: [TwinQuery.Item]
  private let groupBy: [[PathStep]]
  private let top: Int?
  private var groups: [Group] = []
  /// Position of a group by the canonical text of its keys.
  private var positions: [String: Int] = [:]

  /// Creates the state for `query`, before its first row.
  public init(_ query: TwinQuery) {
    if case .items(let items) = query.selection { self.items = items } else { items = [] }
    groupBy = query.groupBy
    top = query.top
    // Without GROUP BY there is one group, even if no row comes.
    if groupBy.isEmpty { _ = position(of: []) }
  }

  /// Takes a row into account, which the caller has found to match.
  public mutating func add(_ row: some QueryRow) {
    let position = position(of: groupBy.map { row.value(at: $0) })
    for index in items.indices {
      guard case .aggregate(let aggregate) = items[index].content else { continue }
      switch aggregate {
      case .count: groups[position].columns[index].count += 1
      case .average(let path), .sum(let path):
        let value = Value(row.value(at: path))
        guard value.double != nil else { continue }
        groups[position].columns[index].count += 1
        groups[position].columns[index].sum = Arithmetic.add(
          groups[position].columns[index].sum,
          value
        )
      case .minimum(let path):
        groups[position].columns[index].keep(Value(row.value(at: path)), if: .less)
      case .maximum(let path):
        groups[position].columns[index].keep(Value(row.value(at: path)), if: .greater)
      }
    }
  }

  /// The answer's rows, groups in the order of their first rows, at most TOP of them.
  ///
  /// A mean, sum, minimum or maximum of no numbers is left out, as is a group's missing key.
  public var results: [JSONObject] {
    groups.prefix(top ?? .max).map { group in
      var object = JSONObject()
      for index in items.indices {
        switch items[index].content {
        case .path(let path):
          guard let key = groupBy.firstIndex(of: path) else { continue }
          object[items[index].name] = group.keys[key]
        case .aggregate(let aggregate):
          object[items[index].name] = group.columns[index].result(aggregate).json
        }
      }
      return object
    }
  }

  private mutating func position(of keys: [JSONValue?]) -> Int {
    let text = keys.map(Self.identity).joined(separator: ",")
    if let position = positions[text] { return position }
    groups.append(
      Group(keys: keys, columns: [Column](repeating: Column(), count: items.count))
    )
    positions[text] = groups.count - 1
    return groups.count - 1
  }

  /// A text that is the same for equal keys only; `1` and `1.0` are equal.
  private static func identity(_ key: JSONValue?) -> String {
    switch key {
    case nil: return "undefined"
    case .number(let number):
      if number.integer == nil, let whole = Int64(exactly: number.double) { return String(whole) }
      return number.integer.map { String($0) } ?? String(number.double)
    case .some(let value): return escaped(JSON.canonicalText(value))
    }
  }

  /// Dictionary keys compare by canonical equivalence, so everything beyond ASCII is spelled out.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars { result += scalar.escaped(asASCII: true) }
    return result
  }
}

extension Aggregation.Column {
  /// Keeps `value` if it is the first or compares so with the one that is kept.
  fileprivate mutating func keep(_ value: Value, if comparison: Comparison) {
    switch value {
    case .integer, .real, .text: break
    case .undefined, .null, .truth, .array, .object, .valueless, .missing: return
    }
    if extreme == .undefined || comparison(value, extreme) == .true { extreme = value }
  }

  fileprivate func result(_ aggregate: TwinQuery.Aggregate) -> Value {
    switch aggregate {
    case .count: .integer(count)
    case .sum: count == 0 ? .undefined : sum
    case .average: count == 0 ? .undefined : Arithmetic.divide(sum, .integer(count))
    case .minimum, .maximum: extreme
    }
  }
}
