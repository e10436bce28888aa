internal import HubContract
internal import JSONTree
internal import QueryLanguage

/// What one look into the storage found for a query.
struct Candidates {
  /// Rows that may match, in the order of their keys.
  var rows: [TwinQueryRow] = []
  /// Up to where the storage has been searched, nil for its end.
  var end: IdentityKey?
  /// What the look cost, in the unit of `SearchCost`.
  var cost = 0
}

/// What a search spends, roughly in nanoseconds, so that a page can end in time without a clock.
enum SearchCost {
  /// Reading one key of the index: measured as 0.8 µs.
  static let key = 800
  /// Reading a row and judging it, less its texts: measured as 6 µs.
  static let row = 6_000
  /// Reading and perhaps parsing one byte of a row's texts.
  static let byte = 4
  /// Writing a row's whole twin and parsing it again: measured as 25 µs.
  static let whole = 25_000
}

extension HubView {
  /// The next rows that may match.
  ///
  /// - Parameters:
  ///   - query: the query.
  ///   - lookup: how the index narrows it, nil to look at every row.
  ///   - last: where the search goes on, nil to begin.
  ///   - limit: rows to look for at most, above 0; an index may find fewer before the end.
  ///   - facts: what the driver knows of each identity's connection.
  /// - Returns: the rows, and how far the storage has been searched for them.
  /// - Throws: only what the storage's faults become.
  func candidates(
    _ query: TwinQuery,
    _ lookup: PropertyLookup?,
    after last: IdentityKey?,
    limit: Int,
    facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> Candidates {
    if let deviceID = query.deviceID {
      return try candidates(of: deviceID, query, after: last, facts: facts)
    }
    if let lookup {
      return try candidates(query, lookup, after: last, limit: limit, facts: facts)
    }
    if query.source == .modules {
      let rows = try stored { storage throws(StorageFault) in
        try storage.moduleRows(after: last, limit: limit)
      }
      return Candidates(
        rows: rows.map { TwinQueryRow($0, facts: facts($0.identity.key)) },
        end: rows.count < limit ? nil : rows.last?.identity.key
      )
    }
    let rows = try stored { storage throws(StorageFault) in
      try storage.deviceRows(after: last?.deviceID, limit: limit)
    }
    return Candidates(
      rows: rows.map { TwinQueryRow($0, facts: facts($0.identity.key)) },
      end: rows.count < limit ? nil : rows.last?.identity.key
    )
  }

  /// The rows of one device, all at once.
  private func candidates(
    of deviceID: String,
    _ query: TwinQuery,
    after last: IdentityKey?,
    facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> Candidates {
    var keys = [IdentityKey(deviceID: deviceID)]
    if query.source == .modules {
      keys = try stored { storage throws(StorageFault) in
        try storage.modules(of: deviceID).map(\.key)
      }
    }
    if let last { keys.removeAll { !(last < $0) } }
    return Candidates(rows: try rows(keys, facts: facts))
  }

  /// The next rows that an index finds: those that appear in a list of every part.
  private func candidates(
    _ query: TwinQuery,
    _ lookup: PropertyLookup,
    after last: IdentityKey?,
    limit: Int,
    facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> Candidates {
    var common: Set<IdentityKey>?
    var found = Candidates()
    for part in lookup.parts {
      var any: Set<IdentityKey> = []
      for fingerprint in part {
        let keys = try stored { storage throws(StorageFault) in
          try storage.twinKeys(holding: fingerprint, after: last, limit: limit)
        }
        found.cost += keys.count * SearchCost.key
        any.formUnion(keys)
        // A list that goes on is complete up to its last key only, and then so are all together.
        if keys.count == limit, let key = keys.last, found.end.map({ key < $0 }) ?? true {
          found.end = key
        }
      }
      common = common?.intersection(any) ?? any
    }
    var keys = Array(common ?? [])
    if let end = found.end { keys.removeAll { end < $0 } }
    found.rows = try rows(keys.sorted(), facts: facts)
    return found
  }

  private func rows(
    _ keys: [IdentityKey],
    facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> [TwinQueryRow] {
    var found: [TwinQueryRow] = []
    for key in keys {
      if key.moduleID == nil {
        let row = try stored { storage throws(StorageFault) in
          try storage.deviceRow(key.deviceID)
        }
        if let row { found.append(TwinQueryRow(row, facts: facts(key))) }
      } else {
        let row = try stored { storage throws(StorageFault) in try storage.moduleRow(key) }
        if let row { found.append(TwinQueryRow(row, facts: facts(key))) }
      }
    }
    return found
  }
}

extension TwinQuery {
  /// The one device that WHERE names, nil if it names none.
  fileprivate var deviceID: String? {
    equalities.first { $0.path == [.member("deviceId")] }?.value.stringValue
  }
}
