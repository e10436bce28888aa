import JSONTree

/// Reads what a job or a configuration would change, page by page.
enum PlanPages {
  /// Everything that the hub answers to `request`: the first page with the changes of all.
  static func all(
    _ client: HubClient,
    _ request: HubRequest,
    _ subject: String
  ) async throws -> JSONValue {
    var whole: JSONObject = [:]
    var changes: [JSONValue] = []
    var devices: Int64 = 0
    var continuation: String?
    let progress = Progress("changes")
    repeat {
      let response = try await client.perform(
        request.header("x-ms-max-item-count", "1000")
          .header("x-ms-continuation", continuation),
        subject
      )
      let page = try response.json()
      if whole.isEmpty { whole = page.objectValue ?? [:] }
      changes += page["changes"]?.arrayValue ?? []
      devices += page["deviceCount"]?.int64Value ?? 0
      progress.show(changes.count)
      continuation = response.header("x-ms-continuation").flatMap { $0.isEmpty ? nil : $0 }
    } while continuation != nil
    progress.end()
    whole["changes"] = .array(changes)
    if whole.contains("deviceCount") { whole["deviceCount"] = .int(devices) }
    return .object(whole)
  }
}

/// Lays out plans for people.
enum PlanSheet {
  /// Rows that are shown before a question is asked.
  static let previewRows = 20

  /// The twins that change, and how; at most `limit` of them.
  static func table(_ plan: JSONValue, limit: Int = .max) -> Table {
    let isJob = plan["jobId"] != nil
    var table = Table(
      isJob
        ? ["DEVICE", "CONNECTION", "CHANGE"] : ["DEVICE", "MODULE", "CONFIGURATIONS", "CHANGE"]
    )
    for change in (plan["changes"]?.arrayValue ?? []).prefix(limit) {
      var row = [Cell(change["deviceId"]?.shown ?? "-", .strong)]
      if isJob {
        row.append(Cell(change["connectionState"]?.shown ?? "-"))
      } else {
        row.append(Cell(change["moduleId"]?.shown ?? "-", .plain))
        row.append(Cell(statuses(change), .plain))
      }
      row.append(Cell(text(change), .plain))
      table.append(row)
    }
    return table
  }

  /// What a plan of a configuration says in one sentence.
  static func summary(_ plan: JSONValue) -> String {
    let id = plan["configurationId"]?.shown ?? "-"
    let count = plan["changes"]?.arrayValue?.count ?? 0
    let done =
      switch plan["action"]?.stringValue {
      case "create": "is new"
      case "delete": "goes"
      default: "changes"
      }
    let devices = plan["deviceCount"]?.int64Value ?? 0
    return "Configuration '\(id)' \(done): it concerns \(counted(devices, "device")), and "
      + "\(counted(Int64(count), "twin")) would change."
  }

  /// A number with its noun.
  static func counted(_ count: Int64, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
  }

  private static func statuses(_ change: JSONValue) -> String {
    let all = (change["configurations"]?.objectValue ?? [:]).map { id, status in
      "\(id): \(status["before"]?.shown ?? "-") → \(status["after"]?.shown ?? "-")"
    }
    return all.isEmpty ? "-" : all.joined(separator: ", ")
  }

  private static func text(_ change: JSONValue) -> String {
    var parts: [String] = []
    if change["isCreated"] == true { parts.append("new module") }
    for section in ["tags", "desired"] {
      for (name, value) in change[section]?.leaves(under: section) ?? [] {
        parts.append(value.isNull ? "-\(name)" : "\(name)=\(JSON.text(value))")
      }
    }
    for (name, word) in [("starts", "start"), ("restarts", "restart"), ("stops", "stop")] {
      let modules = change[name]?.arrayValue ?? []
      if !modules.isEmpty {
        parts.append("\(word) \(modules.map(\.shown).joined(separator: ", "))")
      }
    }
    if let refusal = change["refusal"]?.stringValue { parts.append("refused: \(refusal)") }
    return parts.isEmpty ? "-" : parts.joined(separator: "; ")
  }
}

extension Printer {
  /// Shows a person what would change, on the error stream, which keeps the output for the result;
  /// never cut to the terminal's width, since they are about to agree to it.
  func preview(_ summary: String, _ plan: JSONValue) {
    console.writeError(Cell.visible(summary) + "\n")
    let count = plan["changes"]?.arrayValue?.count ?? 0
    guard count > 0 else { return }
    console.writeError(
      PlanSheet.table(plan, limit: PlanSheet.previewRows)
        .rendered(isColored: console.isErrorColored)
    )
    if count > PlanSheet.previewRows {
      console.remark("… and \(count - PlanSheet.previewRows) more; the subcommand plan lists all.")
    }
  }
}
