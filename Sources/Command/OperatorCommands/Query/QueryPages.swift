import JSONTree

/// Walks over the pages of a query's result (contract §7.7).
struct QueryPages: Sendable {
  private let hub: HubClient
  private let query: String
  private let limit: Int?
  private let pageSize: Int

  /// The pages of `query`: `limit` rows at most, nil for all, and `pageSize` (1 to 1000) in one
  /// answer.
  init(_ hub: HubClient, query: String, limit: Int?, pageSize: Int = 1000) {
    self.hub = hub
    self.query = query
    self.limit = limit
    self.pageSize = pageSize
  }

  /// Hands over each page as it comes; returns whether there is more than was wanted.
  @discardableResult
  func forEach(_ body: ([JSONValue]) throws -> Void) async throws -> Bool {
    var continuation: String?
    var left = limit ?? Int.max
    repeat {
      let request = HubRequest(.post, ["devices", "query"])
        .body(["query": .string(query)])
        .header("x-ms-max-item-count", String(min(pageSize, left)))
        .header("x-ms-continuation", continuation)
      let response = try await hub.perform(request, "the query")
      let rows = try response.json().arrayValue ?? []
      try body(rows.count > left ? Array(rows.prefix(left)) : rows)
      left -= min(rows.count, left)
      continuation = response.header("x-ms-continuation").flatMap { $0.isEmpty ? nil : $0 }
    } while continuation != nil && left > 0
    return continuation != nil
  }

  /// All rows.
  func all(progress: Progress) async throws -> [JSONValue] {
    var rows: [JSONValue] = []
    try await forEach { page in
      rows += page
      progress.show(rows.count)
    }
    progress.end()
    return rows
  }
}
