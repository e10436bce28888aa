internal import ByteIO
public import HubContract
internal import JSONTree
internal import QueryLanguage

/// How far one request for a page searches.
private enum SearchLimit {
  /// Cost of a page after which it ends, perhaps empty, and the client asks on: some 25 ms.
  static let cost = 24_000_000
  /// Rows of the first look into the storage; each further look takes twice as many, up to a limit.
  static let firstBatch = 64
  static let largestBatch = 512
  /// Bytes of a page after which it ends: about the body that REST itself accepts.
  static let bytes = 4 << 20
  /// Bytes of rows that one look should hold at once.
  static let batchBytes = 1 << 20
  /// Parts of jobs after which a page ends, since each is read whole: some 25 ms as well.
  static let jobParts = 2048
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
    let query = try Self.compile(text)
    var start: QueryContinuation?
    if let continuation {
      guard let read = QueryContinuation(text: continuation, query: text) else {
        throw HubError(.argumentInvalid, "The continuation token is not one of this query.")
      }
      start = read
    }
    if query.source == .jobs {
      return try searchJobs(query, text, pageSize: pageSize, start: start)
    }
    if query.isAggregation {
      return try aggregate(query, text, pageSize: pageSize, start: start, facts: facts)
    }
    return try search(query, text, pageSize: pageSize, start: start, facts: facts)
  }

  private static func compile(_ text: String) throws(HubError) -> TwinQuery {
    do throws(QueryFault) {
      return try TwinQuery(text)
    } catch {
      throw HubError(.argumentInvalid, error.message)
    }
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
    var search = Search(query)
    scan: while true {
      // One row more than the page takes, to see whether there is one.
      let rows = try search.next(in: self, after: last, wanted: pageSize - out.count + 1, facts)
      for row in rows.rows {
        if left == 0 { break scan }
        let matches = query.matches(row)
        // A full page still looks for the next row that matches, so that it promises nothing that
        // is not there.
        if matches && (out.count >= pageSize || out.size > SearchLimit.bytes) {
          return out.page(query, continuation: last, left, text)
        }
        last = row.key
        guard matches else { continue }
        left -= left == .max ? 0 : 1
        if query.isProjection {
          out.append(JSON.bytes(.object(query.project(row))))
        } else {
          out.append(row.text)
        }
      }
      guard let end = rows.end else { break }
      last = end
      search.cost += rows.rows.count { $0.isParsedWhole } * SearchCost.whole
      if search.cost > SearchLimit.cost {
        return out.page(query, continuation: last, left, text)
      }
    }
    return out.page(query, continuation: nil)
  }

  /// The devices' parts of jobs; a storage that keeps no jobs has none.
  private func searchJobs(
    _ query: TwinQuery,
    _ text: String,
    pageSize: Int,
    start: QueryContinuation?
  ) throws(HubError) -> QueryPage {
    var left = start?.rowsLeft ?? query.top ?? .max
    var last: DeviceJobKey?
    if case .after(let key)? = start?.position {
      last = DeviceJobKey(deviceID: key.deviceID, jobID: key.moduleID ?? "")
    }
    var out = RowWriter()
    var rows = DeviceJobRows()
    var searched = 0
    func page() -> QueryPage {
      let next = last.map { IdentityKey(deviceID: $0.deviceID, moduleID: $0.jobID) }
      return out.page(query, continuation: next, left, text)
    }
    guard let storage = storage as? any FleetStorageReader else {
      return out.page(query, continuation: nil)
    }
    scan: while true {
      let found: (rows: [(key: DeviceJobKey, row: JSONObject)], end: DeviceJobKey?)
      do throws(StorageFault) {
        found = try rows.next(storage, jobID: query.jobID, after: last)
      } catch {
        throw HubError(error)
      }
      for (key, row) in found.rows {
        if left == 0 { break scan }
        let matches = query.matches(row)
        if matches && (out.count >= pageSize || out.size > SearchLimit.bytes) { return page() }
        last = key
        guard matches else { continue }
        left -= left == .max ? 0 : 1
        out.append(JSON.bytes(.object(row)))
      }
      guard let end = found.end else { break }
      last = end
      searched += DeviceJobRows.batch
      if searched >= SearchLimit.jobParts { return page() }
    }
    return out.page(query, continuation: nil)
  }

  /// The rows that a query's answer has in all, its groups where it has any.
  ///
  /// - Throws: 400004 for a query that does not compile.
  func rowCount(
    _ text: String,
    facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> Int {
    let query = try Self.compile(text)
    guard query.source != .jobs else { return 0 }
    var aggregation = query.isAggregation ? Aggregation(query) : nil
    var count = 0
    var last: IdentityKey?
    var search = Search(query)
    repeat {
      let rows = try search.next(in: self, after: last, wanted: .max, facts)
      for row in rows.rows where query.matches(row) {
        count += 1
        aggregation?.add(row)
      }
      last = rows.end
    } while last != nil
    return min(aggregation?.results.count ?? count, query.top ?? .max)
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
    var search = Search(query)
    repeat {
      let rows = try search.next(in: self, after: last, wanted: .max, facts)
      for row in rows.rows where query.matches(row) { aggregation.add(row) }
      last = rows.end
    } while last != nil
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
}

/// One request's way through the storage: what it looks up, how much at once, and what it cost.
private struct Search {
  private let query: TwinQuery
  private let lookup: PropertyLookup?
  private var batch = SearchLimit.firstBatch
  /// What it has cost so far, in the unit of `SearchCost`.
  var cost = 0

  init(_ query: TwinQuery) {
    self.query = query
    lookup = PropertyLookup(query)
  }

  /// The next rows that may match, for a page that still takes `wanted` rows.
  mutating func next<Storage>(
    in view: HubView<Storage>,
    after last: IdentityKey?,
    wanted: Int,
    _ facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> Candidates {
    // What is found by one part of a look-up, or without a condition, is likely to match.
    let isExact = lookup.map { $0.parts.count == 1 } ?? !query.hasCondition
    let limit = isExact ? min(batch, wanted) : batch
    let found = try view.candidates(query, lookup, after: last, limit: limit, facts: facts)
    let bytes = found.rows.reduce(0) { $0 + $1.byteCount }
    cost += found.cost + found.rows.count * SearchCost.row + bytes * SearchCost.byte
    batch = min(batch * 2, SearchLimit.largestBatch)
    // Large rows come a few at a time: a page may end long before it has taken all of a batch.
    if bytes > 0 { batch = min(batch, SearchLimit.batchBytes * found.rows.count / bytes + 1) }
    return found
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

  /// The page so far, which goes on after `last`.
  func page(
    _ query: TwinQuery,
    continuation last: IdentityKey?,
    _ left: Int,
    _ text: String
  ) -> QueryPage {
    page(
      query,
      continuation: last.map { QueryContinuation(.after($0), rowsLeft: left).text(query: text) }
    )
  }

  func page(_ query: TwinQuery, continuation: String?) -> QueryPage {
    var body = count == 0 ? [UInt8(ascii: "[")] : out.bytes
    body.append(UInt8(ascii: "]"))
    return QueryPage(
      itemType: query.source == .jobs ? .deviceJob : query.isProjection ? .raw : .twin,
      body: body,
      count: count,
      continuation: continuation
    )
  }
}
