import ArgumentParser
package import JSONTree

struct QueryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "query",
    abstract: "Run a query over twins.",
    discussion: """
      The language is the hub's: SELECT, FROM devices or devices.modules, WHERE, GROUP BY.

        orrery query "SELECT * FROM devices WHERE tags.site = 'north'"
        orrery query "SELECT deviceId, tags.site FROM devices" --all
        orrery query "SELECT tags.site, COUNT() AS n FROM devices GROUP BY tags.site"
        orrery query @report.sql -o json
      """
  )

  @Argument(help: ArgumentHelp("The query, @FILE, or - for the input.", valueName: "query"))
  var query: String

  @OptionGroup var page: PageOptions
  @OptionGroup var hub: HubOptions

  func run() async throws {
    let text = String(decoding: try InputText.bytes(query), as: UTF8.self).trimmed
    try await hub.withHub { client, printer in
      let pages = Pages(client, query: text, limit: page.limit)
      let (rows, hasMore) = try await pages.all(progress: Progress("rows"))
      printer.show(.array(rows)) { $0.table(ResultTable.table(rows), none: "There are no rows.") }
      if hasMore { page.remark(printer) }
    }
  }
}

/// Lays out the rows of a query, whose columns are whatever the query says.
package enum ResultTable {
  /// What a whole twin shows in a list; everything else of it would not fit a line.
  private static let twinColumns = [
    "deviceId", "moduleId", "status", "connectionState", "lastActivityTime", "tags",
  ]

  /// A table with a column for each member of any row, in the order of their first occurrence.
  package static func table(_ rows: [JSONValue]) -> Table {
    let isTwins = rows.contains { $0["properties"] != nil && $0["version"] != nil }
    var columns: [String] = []
    var seen: Set<String> = []
    for row in rows {
      for member in row.objectValue ?? [:] where seen.insert(member.key).inserted {
        columns.append(member.key)
      }
    }
    if isTwins { columns = twinColumns.filter(seen.contains) }
    var table = Table(columns.isEmpty ? ["RESULT"] : columns)
    for row in rows {
      if columns.isEmpty {
        table.append([Cell(row.shown)])
      } else {
        table.append(columns.map { Cell(shown($0, row[$0])) })
      }
    }
    return table
  }

  private static func shown(_ column: String, _ value: JSONValue?) -> String {
    guard let value else { return "-" }
    guard column == "lastActivityTime" else { return value.shown }
    return ShownTime.text(value.stringValue)
  }
}
