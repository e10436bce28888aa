internal import ByteIO
public import HubContract
internal import JSONTree
internal import QueryLanguage

/// How far one request for a page searches.
private enum SearchLimit {
  /// Rows that one page looks at; then it ends, perhaps empty, and the client asks on.
  static let rows = 20_000
  /// Rows that are read from the storage at once.
  static let batch = 500
  /// Bytes of a page after which it ends: about the body that REST itself accepts.
  static let bytes = 4 << 20
}

extension HubView {
  /// A page of a query's answer (contract §7.7).
  ///
  /// Rows come in the order of their IDs. A page ends early when it has searched long or grown
  /// large; its continuation then leads on. An aggregate searches everything at once.
  ///
  /// - Parameters:
  ///   - text: the query.
  ///   - pageSize: the most rows.
  ///   - continuation: the header of the page before, nil to begin.
  ///   - facts: what the driver knows of each identity's connection.
  /// - Returns: the page.
  /// - Throws: 400004 for a query that does not compile, with its place, and for a continuation
  ///   that does not belong to it.
  public func query(
    _ text: String,
    pageSize: Int,
    continuation: String?,
    facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> QueryPage {
    let query: TwinQuery
    do throws(QueryFault) {
      query = try TwinQuery(text)
    } catch {
      throw HubError(.argumentInvalid, error.message)
    }
    var start: QueryContinuation?
    if let continuation {
      guard let read = QueryContinuation(text: continuation, query: text) else {
        throw HubError(.argumentInvalid, "The continuation token is not one of this query.")
      }
      start = read
    }
    guard query.source != .jobs else {
      // Scheduled jobs do not exist yet, so no device has a part in one.
      return QueryPage(itemType: .deviceJob, body: [UInt8]("[]".utf8), count: 0, continuation: nil)
    }
    if query.isAggregation {
      return try aggregate(query, text, pageSize: pageSize, start: start, facts: facts)
    }
    return try search(query, text, pageSize: pageSize, start: start, facts: facts)
  }

  private func search(
    _ query: TwinQuery,
    _ text: String,
    pageSize: Int,
    start: QueryContinuation?,
    facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> QueryPage {
    var left = start?.rowsLeft ?? query.top ?? .max
    var last: IdentityKey?
    if case .after(let key)? = start?.position { last = key }
    var out = RowWriter()
    var searched = 0
    scan: while true {
      let rows = try candidates(query, after: last, facts: facts)
      for row in rows.rows {
        if left == 0 { break scan }
        let matches = query.matches(row)
        // A full page still looks for the next row that matches, so that it promises nothing that
        // is not there.
        let isFull = out.count >= pageSize || out.size > SearchLimit.bytes
        if matches && isFull || searched >= SearchLimit.rows {
          return out.page(
            query,
            continuation: last.map {
              QueryContinuation(.after($0), rowsLeft: left).text(query: text)
            }
          )
        }
        searched += 1
        last = row.key
        guard matches else { continue }
        left -= left == .max ? 0 : 1
        if query.isProjection {
          out.append(JSON.bytes(.object(query.project(row))))
        } else {
          out.append(row.text)
        }
      }
      if rows.isLast { break }
    }
    return out.page(query, continuation: nil)
  }

  private func aggregate(
    _ query: TwinQuery,
    _ text: String,
    pageSize: Int,
    start: QueryContinuation?,
    facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> QueryPage {
    var aggregation = Aggregation(query)
    var last: IdentityKey?
    while true {
      let rows = try candidates(query, after: last, facts: facts)
      for row in rows.rows {
        last = row.key
        if query.matches(row) { aggregation.add(row) }
      }
      if rows.isLast { break }
    }
    let groups = aggregation.results
    var first = 0
    if case .group(let index)? = start?.position { first = index }
    var out = RowWriter()
    for group in groups.dropFirst(first).prefix(pageSize) {
      out.append(JSON.bytes(.object(group)))
    }
    let next = first + out.count
    return out.page(
      query,
      continuation: next < groups.count
        ? QueryContinuation(.group(next), rowsLeft: .max).text(query: text) : nil
    )
  }

  /// The next rows that may match: a batch of all, or those of the one device that WHERE names.
  private func candidates(
    _ query: TwinQuery,
    after last: IdentityKey?,
    facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> (rows: [TwinQueryRow], isLast: Bool) {
    let named = query.equalities.first { $0.path == [.member("deviceId")] }?.value.stringValue
    let batch = SearchLimit.batch
    if query.source == .modules {
      var rows: [ModuleRow]
      if let named {
        let known = try stored { storage throws(StorageFault) in
          try storage.device(named) != nil
        }
        rows = known ? try modules(of: named) : []
        if let last { rows.removeAll { !(last < $0.identity.key) } }
      } else {
        rows = try stored { storage throws(StorageFault) in
          try storage.moduleRows(after: last, limit: batch)
        }
      }
      let isLast = named != nil || rows.count < batch
      return (rows.map { TwinQueryRow($0, facts: facts($0.identity.key)) }, isLast)
    }
    var rows: [DeviceRow]
    if let named {
      let row = try stored { storage throws(StorageFault) in try storage.deviceRow(named) }
      rows = row.map { [$0] } ?? []
      if let last { rows.removeAll { !(last < $0.identity.key) } }
    } else {
      rows = try stored { storage throws(StorageFault) in
        try storage.deviceRows(after: last?.deviceID, limit: batch)
      }
    }
    let isLast = named != nil || rows.count < batch
    return (rows.map { TwinQueryRow($0, facts: facts($0.identity.key)) }, isLast)
  }
}

/// Collects rows into a JSON array.
private struct RowWriter {
  private var out = ByteWriter(capacity: 4096)
  private(set) var count = 0

  var size: Int { out.count }

  mutating func append(_ row: [UInt8]) {
    out.uint8(count == 0 ? UInt8(ascii: "[") : UInt8(ascii: ","))
    out.append(row)
    count += 1
  }

  func page(_ query: TwinQuery, continuation: String?) -> QueryPage {
    var body = count == 0 ? [UInt8(ascii: "[")] : out.bytes
    body.append(UInt8(ascii: "]"))
    return QueryPage(
      itemType: query.isProjection ? .raw : .twin,
      body: body,
      count: count,
      continuation: continuation
    )
  }
}
