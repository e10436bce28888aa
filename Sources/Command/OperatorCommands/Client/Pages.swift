import ArgumentParser
import JSONTree

/// Walks over the pages of a list that the hub gives out in parts (contract §7.7).
struct Pages: Sendable {
  private let hub: HubClient
  private let request: HubRequest
  private let subject: String
  private let limit: Int?
  private let pageSize: Int

  /// Walks over the pages of the answer to `request`.
  ///
  /// At most `limit` rows, nil for all, and `pageSize` (1 to 1000) in one answer; `subject` is what
  /// messages call it.
  init(
    _ hub: HubClient,
    _ request: HubRequest,
    subject: String,
    limit: Int?,
    pageSize: Int = 1000
  ) {
    self.hub = hub
    self.request = request
    self.subject = subject
    self.limit = limit
    self.pageSize = pageSize
  }

  /// The pages of a query over twins.
  init(_ hub: HubClient, query: String, subject: String = "the query", limit: Int?) {
    let request = HubRequest(.post, ["devices", "query"]).body(["query": .string(query)])
    self.init(hub, request, subject: subject, limit: limit)
  }

  /// Hands over each page as it comes; returns whether there is more than was wanted.
  @discardableResult
  func forEach(_ body: ([JSONValue]) throws -> Void) async throws -> Bool {
    var continuation: String?
    var left = limit ?? Int.max
    repeat {
      let request =
        request
        .header("x-ms-max-item-count", String(min(pageSize, left)))
        .header("x-ms-continuation", continuation)
      let response = try await hub.perform(request, subject)
      let rows = try response.json().arrayValue ?? []
      try body(rows.count > left ? Array(rows.prefix(left)) : rows)
      left -= min(rows.count, left)
      continuation = response.header("x-ms-continuation").flatMap { $0.isEmpty ? nil : $0 }
    } while continuation != nil && left > 0
    return continuation != nil
  }

  /// All rows, and whether there is more than was wanted.
  func all(progress: Progress) async throws -> (rows: [JSONValue], hasMore: Bool) {
    var rows: [JSONValue] = []
    let hasMore = try await forEach { page in
      rows += page
      progress.show(rows.count)
    }
    progress.end()
    return (rows, hasMore)
  }
}

/// The options of lists that come in pages.
struct PageOptions: ParsableArguments {
  @Option(help: ArgumentHelp("At most so many.", valueName: "count"))
  var top = 100

  @Flag(help: "All of them.")
  var all = false

  func validate() throws {
    guard top > 0 else { throw ValidationError("--top must be at least 1") }
  }

  /// The most rows that are wanted, nil for all.
  var limit: Int? { all ? nil : top }

  /// What to say to get more.
  var more: String {
    let (next, isTooMuch) = top.multipliedReportingOverflow(by: 10)
    return "--top \(isTooMuch ? top : next), or --all."
  }

  /// Says that there is more.
  func remark(_ printer: Printer) { printer.console.remark("There is more: \(more)") }
}
