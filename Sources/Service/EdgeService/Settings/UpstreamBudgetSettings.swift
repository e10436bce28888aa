import ByteIO
package import EdgeEngine
import JSONTree
import Platform

/// How many bytes may leave upstream in a day (`[upstream.budget]`); ours.
package struct UpstreamBudgetSettings: Equatable, Sendable {
  package let bytesPerDay: UInt64
  /// From the most important class to the least.
  package let shares: [SendBudget.Share]
  /// What may leave at once, nil for an hour's part.
  package let burstBytes: UInt64?

  /// Classes that there may be: one for each priority.
  private static let limit = 11

  init(_ table: SettingsTable) throws(SettingsFault) {
    try table.refuse(otherThan: ["bytes_per_day", "burst_bytes", "shares"])
    let range = 1...Int(SendBudget.limit)
    guard let bytes = try table.number("bytes_per_day", in: range) else {
      throw table.fault("bytes_per_day", "is missing", remedy: "Write for example 50000000.")
    }
    bytesPerDay = UInt64(bytes)
    burstBytes = try table.number("burst_bytes", in: range).map { UInt64($0) }
    shares = try Self.shares(table) ?? [SendBudget.Share(lastPriority: .max, percent: 100)]
    do throws(SendBudget.Fault) {
      _ = try budget(now: Instant(nanoseconds: 0))
    } catch {
      let problem =
        switch error {
        case .bytes: "allows too few bytes, or too many"
        case .sum(let sum): "has percents that add up to \(sum), not to 100"
        case .order: "must go from the most important priority to the least"
        }
      throw table.fault("shares", problem)
    }
  }

  private static func shares(
    _ table: SettingsTable
  ) throws(SettingsFault) -> [SendBudget.Share]? {
    guard let value = table.value("shares") else { return nil }
    let entries = value.arrayValue ?? []
    guard (1...limit).contains(entries.count) else {
      throw table.fault("shares", "must be an array of 1 to \(limit) tables")
    }
    var shares: [SendBudget.Share] = []
    for (index, entry) in entries.enumerated() {
      guard let object = entry.objectValue else {
        throw table.fault(
          "shares",
          "must be an array of tables",
          remedy: "Write shares = [{ priority = 0, percent = 60 }, { percent = 40 }]."
        )
      }
      let share = SettingsTable(
        object,
        file: table.file,
        prefix: "\(table.prefix)shares[\(index)]."
      )
      try share.refuse(otherThan: ["priority", "percent"])
      let isLast = index == entries.count - 1
      let priority = try share.number("priority", in: 0...9)
      guard isLast == (priority == nil) else {
        throw share.fault(
          "priority",
          isLast ? "is one too many: the last share is of all the rest" : "is missing"
        )
      }
      guard let percent = try share.number("percent", in: 0...100) else {
        throw share.fault("percent", "is missing")
      }
      shares.append(
        SendBudget.Share(
          lastPriority: priority.map { UInt32($0) } ?? .max,
          percent: UInt8(percent)
        )
      )
    }
    return shares
  }

  /// A budget as they say, whose buckets are full.
  func budget(now: Instant) throws(SendBudget.Fault) -> SendBudget {
    try SendBudget(bytesPerDay: bytesPerDay, shares: shares, burstBytes: burstBytes, now: now)
  }
}
