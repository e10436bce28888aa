import Foundation
import Simulation
import Testing

/// The table of tested numbers in `docs/edge/offline.md` is what these runs give.
///
/// `ORRERY_WRITE_TABLES=1` before the tests writes it anew.
@Suite("The offline table (edge contract §9.1)")
struct OfflineTableTests {
  private static let seed: UInt64 = 20_260_401
  private static let begin = "<!-- what follows is written by OfflineTableTests -->\n"
  private static let end = "<!-- end of what is written by OfflineTableTests -->\n"

  private static let cases = [
    EdgeOfflineCase(days: 1, messagesPerDay: 2400, bodyBytes: 200),
    EdgeOfflineCase(days: 30, messagesPerDay: 96, bodyBytes: 1000, powerCuts: 15),
    EdgeOfflineCase(days: 400, messagesPerDay: 12, bodyBytes: 1000, powerCuts: 200),
    EdgeOfflineCase(
      days: 400,
      messagesPerDay: 12,
      bodyBytes: 1000,
      powerCuts: 200,
      clock: .noBattery
    ),
    EdgeOfflineCase(
      days: 400,
      messagesPerDay: 12,
      bodyBytes: 1000,
      powerCuts: 200,
      clock: .set(times: 40)
    ),
    EdgeOfflineCase(days: 30, messagesPerDay: 96, bodyBytes: 1000, maxSizeBytes: 1_000_000),
    EdgeOfflineCase(
      days: 30,
      messagesPerDay: 96,
      bodyBytes: 1000,
      maxSizeBytes: 1_000_000,
      dropsOldest: true
    ),
    EdgeOfflineCase(days: 30, messagesPerDay: 96, bodyBytes: 1000, lifetimeSeconds: 604_800),
    EdgeOfflineCase(
      days: 30,
      messagesPerDay: 96,
      bodyBytes: 1000,
      lifetimeSeconds: 604_800,
      powerCuts: 15,
      clock: .set(times: 10)
    ),
  ]

  @Test("the page tells what the runs give")
  func table() throws {
    var lines = [
      "| days offline | messages a day | body | limit | lifetime | power cuts | clock "
        + "| acknowledged | delivered | expired | gave way | lost | most stored | drained in "
        + "| renewals | twins |",
      "| " + Array(repeating: "---", count: 16).joined(separator: " | ") + " |",
    ]
    for offline in Self.cases {
      var simulation = EdgeSimulation(seed: Self.seed, offline: offline)
      let report = simulation.run()
      #expect(report.failure == nil, "\(offline): \(report.failure ?? "")")
      #expect(report.longestOfflineDays >= offline.days, "\(offline)")
      #expect(report.powerCutCount == offline.powerCuts, "\(offline)")
      #expect(
        report.acknowledgedCount
          == report.deliveredCount + report.expiredCount + report.droppedCount,
        "\(offline)"
      )
      lines.append(Self.line(offline, report))
    }
    let table = lines.map { $0 + "\n" }.joined()
    let page = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../../docs/edge/offline.md").standardizedFileURL
    let text = try String(contentsOf: page, encoding: .utf8)
    let start = try #require(text.range(of: Self.begin)).upperBound
    let stop = try #require(text.range(of: Self.end)).lowerBound
    guard ProcessInfo.processInfo.environment["ORRERY_WRITE_TABLES"] == "1" else {
      #expect(text[start..<stop] == "\n\(table)\n")
      return
    }
    try text.replacingCharacters(in: start..<stop, with: "\n\(table)\n")
      .write(to: page, atomically: true, encoding: .utf8)
  }

  private static func line(_ offline: EdgeOfflineCase, _ report: EdgeSimulation.Report) -> String {
    let clock =
      switch offline.clock {
      case .right: "right"
      case .noBattery: "no battery"
      case .set(let times): "set \(times) times, by up to 3 years"
      }
    let limit = offline.maxSizeBytes.map { megabytes($0) + (offline.dropsOldest ? ", oldest" : "") }
    let cells = [
      "\(offline.days)", "\(offline.messagesPerDay)", "\(offline.bodyBytes) B", limit ?? "none",
      offline.lifetimeSeconds.map { "\($0 / 86_400) days" } ?? "for ever",
      "\(report.powerCutCount)", clock, "\(report.acknowledgedCount)", "\(report.deliveredCount)",
      "\(report.expiredCount)", "\(report.droppedCount)", "\(report.lostCount)",
      megabytes(report.mostBytes), "\(decimal(report.drainMilliseconds / 100)) s",
      "\(report.renewalCount)", report.failure == nil ? "agree" : "differ",
    ]
    return "| " + cells.joined(separator: " | ") + " |"
  }

  private static func megabytes(_ bytes: UInt64) -> String { "\(decimal(bytes / 100_000)) MB" }

  /// Tenths as text.
  private static func decimal(_ tenths: UInt64) -> String { "\(tenths / 10).\(tenths % 10)" }
}
