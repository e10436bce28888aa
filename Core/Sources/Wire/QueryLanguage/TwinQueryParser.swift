/// The statement around the conditions: SELECT, FROM, WHERE, GROUP BY (hub contract section 7.7).
struct TwinQueryParser {
  /// What a text says.
  struct Query {
    var source: TwinQuery.Source
    var selection: TwinQuery.Selection
    var top: Int?
    var groupBy: [[PathStep]]
    var condition: Program
  }

  /// An item whose path may still begin with an alias that FROM has yet to name.
  private struct RawItem {
    var aggregate: String?
    var path: [PathStep]
    var alias: String?
    var start: Token
    var end: Int
  }

  private var parser: ExpressionParser

  init(_ text: String) throws(QueryFault) {
    parser = try ExpressionParser(text, dialect: .twinQuery)
  }

  mutating func query() throws(QueryFault) -> Query {
    try keyword("select", "SELECT")
    let top = try top()
    let selectionStart = parser.token
    let rawItems = try items()
    try keyword("from", "FROM")
    let source = try source()
    if source == .jobs, rawItems != nil {
      throw parser.fault(.jobsSelectAll, at: selectionStart)
    }
    var condition = Program()
    if parser.takeKeyword("where") {
      let root = try parser.expression()
      condition = parser.builder.finish(root)
    }
    let groupBy = try groups()
    try expectEnd()
    return Query(
      source: source,
      selection: try selection(rawItems, groupBy, selectionStart),
      top: top,
      groupBy: groupBy,
      condition: condition
    )
  }

  /// A condition on its own: `*`, nothing, a condition on devices, or `FROM source [WHERE …]`.
  mutating func targetCondition() throws(QueryFault) -> Query {
    var query = Query(source: .devices, selection: .all, groupBy: [], condition: Program())
    if parser.token.kind == .end {
      // A program that is constantly false: nothing is targeted.
      let nothing = parser.builder.constant(.truth(false), parser.token)
      query.condition = parser.builder.finish(nothing)
      return query
    }
    if parser.take(.star) {
      try expectEnd()
      return query
    }
    var hasCondition = true
    if parser.takeKeyword("from") {
      let start = parser.token
      query.source = try source()
      guard query.source != .jobs else { throw parser.fault(.unknownSource, at: start) }
      hasCondition = parser.takeKeyword("where")
    } else {
      parser.prefixes = [["devices"]]
    }
    if hasCondition {
      let root = try parser.expression()
      query.condition = parser.builder.finish(root)
    }
    try expectEnd()
    return query
  }

  private func expectEnd() throws(QueryFault) {
    guard parser.token.kind == .end else { throw parser.fault(.expected(.operatorOrEnd)) }
  }

  private mutating func keyword(_ word: String, _ shown: String) throws(QueryFault) {
    guard parser.takeKeyword(word) else { throw parser.fault(.expected(.word(shown))) }
  }

  private mutating func top() throws(QueryFault) -> Int? {
    guard parser.takeKeyword("top") else { return nil }
    guard case .number(.integer(let number)) = parser.token.kind, number > 0 else {
      throw parser.fault(.malformedTop)
    }
    parser.take()
    return Int(clamping: number)
  }

  /// The selection's items, nil for `*`.
  private mutating func items() throws(QueryFault) -> [RawItem]? {
    if parser.take(.star) { return nil }
    var items: [RawItem] = []
    repeat {
      guard items.count < QueryLimits.items else {
        throw parser.fault(.tooManyItems(limit: QueryLimits.items))
      }
      items.append(try item())
    } while parser.take(.comma)
    return items
  }

  private mutating func item() throws(QueryFault) -> RawItem {
    let start = parser.token
    var item = RawItem(aggregate: nil, path: [], alias: nil, start: start, end: start.end)
    if case .word(let word) = start.kind,
      parser.following.kind == .symbol(.leftParenthesis), !parser.isReserved(word)
    {
      let name = word.asciiLowercased
      guard ["count", "avg", "sum", "min", "max"].contains(name) else {
        throw parser.fault(.unknownFunction)
      }
      parser.take()
      parser.take()
      item.aggregate = name
      if name == "count" {
        _ = parser.take(.star)
      } else {
        item.path = try parser.pathSteps()
      }
      try parser.expect(.rightParenthesis, "\")\"")
    } else {
      item.path = try parser.pathSteps()
    }
    item.end = parser.tokens[parser.index - 1].end
    let isNamed = parser.takeKeyword("as")
    switch parser.token.kind {
    case .word(let alias)
    where !parser.isReserved(alias) || isNamed && alias.asciiLowercased == "top":
      // TOP means something right behind SELECT alone.
      item.alias = alias
      parser.take()
    case .step(let alias):
      item.alias = alias
      parser.take()
    default:
      if isNamed { throw parser.fault(.expected(.name)) }
    }
    return item
  }

  private mutating func source() throws(QueryFault) -> TwinQuery.Source {
    guard parser.token.isKeyword("devices") else { throw parser.fault(.unknownSource) }
    parser.take()
    var source = TwinQuery.Source.devices
    if parser.take(.dot) {
      if parser.takeKeyword("modules") {
        source = .modules
      } else if parser.takeKeyword("jobs") {
        source = .jobs
      } else {
        throw parser.fault(.unknownSource)
      }
    }
    let isNamed = parser.takeKeyword("as")
    if case .word(let alias) = parser.token.kind, !parser.isReserved(alias) {
      parser.take()
      parser.prefixes = [[alias]]
    } else if isNamed {
      throw parser.fault(.expected(.name))
    }
    switch source {
    case .devices: parser.prefixes.append(["devices"])
    case .modules: parser.prefixes += [["devices", "modules"], ["modules"], ["devices"]]
    case .jobs: parser.prefixes += [["devices", "jobs"], ["jobs"], ["devices"]]
    }
    return source
  }

  private mutating func groups() throws(QueryFault) -> [[PathStep]] {
    guard parser.takeKeyword("group") else { return [] }
    try keyword("by", "BY")
    var groups: [[PathStep]] = []
    repeat {
      guard groups.count < QueryLimits.items else {
        throw parser.fault(.tooManyItems(limit: QueryLimits.items))
      }
      let start = parser.token
      let steps = try parser.pathSteps()
      let end = parser.tokens[parser.index - 1].end
      groups.append(try parser.rowPath(steps, from: start.offset, to: end))
    } while parser.take(.comma)
    return groups
  }

  /// The items with their final paths and names, checked against the groups.
  private func selection(
    _ rawItems: [RawItem]?,
    _ groupBy: [[PathStep]],
    _ start: Token
  ) throws(QueryFault) -> TwinQuery.Selection {
    guard let rawItems else {
      guard groupBy.isEmpty else { throw parser.fault(.notGrouped, at: start) }
      return .all
    }
    let aggregates = rawItems.contains { $0.aggregate != nil }
    var names = AggregateNames(taken: Set(rawItems.compactMap(\.alias)))
    var items: [TwinQuery.Item] = []
    for raw in rawItems {
      var path: [PathStep] = []
      if !raw.path.isEmpty {
        path = try parser.rowPath(raw.path, from: raw.start.offset, to: raw.end)
      }
      let content: TwinQuery.Item.Content =
        switch raw.aggregate {
        case "count": .aggregate(.count)
        case "avg": .aggregate(.average(path))
        case "sum": .aggregate(.sum(path))
        case "min": .aggregate(.minimum(path))
        case "max": .aggregate(.maximum(path))
        default: .path(path)
        }
      if raw.aggregate == nil, aggregates || !groupBy.isEmpty, !groupBy.contains(path) {
        throw QueryFault(
          .notGrouped,
          offset: raw.start.offset,
          length: raw.end - raw.start.offset,
          in: parser.text
        )
      }
      items.append(TwinQuery.Item(content: content, name: name(raw, path, &names)))
    }
    return .items(items)
  }

  /// The alias, else the last name of the path, else the aggregate's name.
  private func name(
    _ raw: RawItem,
    _ path: [PathStep],
    _ names: inout AggregateNames
  ) -> String {
    if let alias = raw.alias { return alias }
    if let aggregate = raw.aggregate { return names.next(aggregate) }
    for step in path.reversed() {
      if case .member(let name) = step { return name }
    }
    return ""
  }
}

/// Names for aggregates without alias: `count`, `count2` and so on, none of them an alias.
private struct AggregateNames {
  let taken: Set<String>
  private var used: [String: Int] = [:]

  init(taken: Set<String>) { self.taken = taken }

  mutating func next(_ aggregate: String) -> String {
    while true {
      let number = (used[aggregate] ?? 0) + 1
      used[aggregate] = number
      let name = number == 1 ? aggregate : "\(aggregate)\(number)"
      if !taken.contains(name) { return name }
    }
  }
}
