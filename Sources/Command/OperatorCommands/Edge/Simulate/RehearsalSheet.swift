import JSONTree
import Simulation

/// What a rehearsal tells, for people and for programs.
struct RehearsalSheet {
  private let report: EdgeRehearsal.Report
  private let seed: UInt64

  init(_ report: EdgeRehearsal.Report, seed: UInt64) {
    self.report = report
    self.seed = seed
  }

  // MARK: - People

  func show(_ printer: Printer) {
    var table = Table([
      "ENDPOINT", "ACCEPTED", "DELIVERED", "REPEATED", "EXPIRED", "DROPPED", "REFUSED", "WAITING",
      "PEAK", "LONGEST DELAY", "DRAINED",
    ])
    for endpoint in report.endpoints {
      table.append([
        Cell(endpoint.name, .strong), Cell("\(endpoint.acceptedCount)"),
        Cell("\(endpoint.deliveredCount)"), Cell("\(endpoint.repeatedCount)"),
        loss(endpoint.expiredCount), loss(endpoint.droppedCount), loss(endpoint.refusedCount),
        Cell("\(endpoint.waitingCount)"), Cell(ByteSize(endpoint.peakBytes).description),
        Cell(time(endpoint.longestDelayMilliseconds)), Cell(drained(endpoint)),
      ])
    }
    printer.table(table, none: "No route leads anywhere.")
    var routes = Table(["ROUTE", "MESSAGES"])
    for route in report.routes {
      routes.append([
        Cell(route.name, .strong),
        Cell("\(route.messageCount)", route.messageCount == 0 ? .warning : .plain),
      ])
    }
    printer.line("")
    printer.table(routes, none: "There are no routes.")
    printer.line("")
    var sheet = FactSheet()
    sheet.append("messages", "\(report.sentCount)")
    sheet.append("no route", "\(report.unroutedCount)", lossStyle(report.unroutedCount))
    // A real sender keeps its message and tries again, which nothing here does.
    let note = report.refusedCount > 0 ? ", and not sent again as a real sender would" : ""
    sheet.append("refused", "\(report.refusedCount)\(note)", lossStyle(report.refusedCount))
    sheet.append("most waited", ByteSize(report.peakBytes).description)
    sheet.append("most on disk", ByteSize(report.peakDiskBytes).description)
    sheet.append("took", time(report.milliseconds))
    sheet.append("times are exact to", time(report.stepMilliseconds))
    sheet.append("seed", "\(seed)")
    if !report.isComplete { sheet.append("ended", "before its time", .warning) }
    printer.facts(sheet)
  }

  private func loss(_ count: UInt64) -> Cell { Cell("\(count)", lossStyle(count)) }

  private func lossStyle(_ count: UInt64) -> Style { count > 0 ? .warning : .plain }

  private func drained(_ endpoint: EdgeRehearsal.EndpointReport) -> String {
    guard let moment = endpoint.drainedAt else { return endpoint.waitingCount > 0 ? "no" : "-" }
    return "at \(time(moment)), in \(time(endpoint.longestDrainMilliseconds))"
  }

  /// To two units, which is what a person wants to know: `30d 2h`, `5m 12s`.
  private func time(_ milliseconds: UInt64) -> String {
    if milliseconds < 1000 { return milliseconds == 0 ? "0s" : "\(milliseconds)ms" }
    var rest = milliseconds / 1000
    var words: [String] = []
    for (name, seconds) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] as [(String, UInt64)] {
      let count = rest / seconds
      rest -= count * seconds
      if count > 0 { words.append("\(count)\(name)") }
      if !words.isEmpty, count == 0 || words.count == 2 { break }
    }
    return words.joined(separator: " ")
  }

  // MARK: - Programs

  var json: JSONValue {
    let endpoints = report.endpoints.map { endpoint -> JSONValue in
      [
        "name": .string(endpoint.name), "accepted": number(endpoint.acceptedCount),
        "delivered": number(endpoint.deliveredCount), "repeated": number(endpoint.repeatedCount),
        "expired": number(endpoint.expiredCount), "dropped": number(endpoint.droppedCount),
        "refused": number(endpoint.refusedCount), "waiting": number(endpoint.waitingCount),
        "waitingBytes": number(endpoint.waitingBytes), "peakBytes": number(endpoint.peakBytes),
        "longestDelayMilliseconds": number(endpoint.longestDelayMilliseconds),
        "drainedAtMilliseconds": endpoint.drainedAt.map(number) ?? .null,
        "longestDrainMilliseconds": number(endpoint.longestDrainMilliseconds),
      ]
    }
    return [
      "messages": number(report.sentCount), "noRoute": number(report.unroutedCount),
      "refused": number(report.refusedCount), "endpoints": .array(endpoints),
      "routes": .array(
        report.routes.map { ["name": .string($0.name), "messages": number($0.messageCount)] }
      ),
      "peakBytes": number(report.peakBytes), "peakDiskBytes": number(report.peakDiskBytes),
      "milliseconds": number(report.milliseconds),
      "stepMilliseconds": number(report.stepMilliseconds), "seed": number(seed),
      "complete": .bool(report.isComplete),
    ]
  }

  private func number(_ value: UInt64) -> JSONValue { .int(Int64(clamping: value)) }
}
