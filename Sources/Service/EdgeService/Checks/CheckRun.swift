package import JSONTree
package import Platform
import Synchronization

/// Runs checks side by side, each for so long at most.
package enum CheckRun {
  /// Runs all checks but those that are left out; the reports are in the order of the checks.
  package static func run(
    _ checks: [EdgeCheck] = EdgeCheck.all,
    settings: Result<EdgeSettings, SettingsFault>,
    paths: EdgePaths,
    options: CheckOptions,
    ports: any CheckPorts,
    limit: Duration = .seconds(20)
  ) async -> [CheckReport] {
    let subject = CheckSubject(
      readSettings: settings,
      paths: paths,
      options: options,
      ports: ports
    )
    return await withTaskGroup(of: (Int, CheckOutcome).self) { group in
      for (index, check) in checks.enumerated() {
        group.addTask { (index, await outcome(of: check, subject, limit)) }
      }
      var outcomes: [Int: CheckOutcome] = [:]
      for await (index, outcome) in group { outcomes[index] = outcome }
      return checks.enumerated().map { index, check in
        CheckReport(check: check, outcome: outcomes[index] ?? .skipped("it did not run"))
      }
    }
  }

  /// What the check finds, or that it takes too long: then it is left to itself, since what it waits
  /// for may be a system call that nobody can call off.
  private static func outcome(
    of check: EdgeCheck,
    _ subject: CheckSubject,
    _ limit: Duration
  ) async -> CheckOutcome {
    guard !subject.options.skipped.contains(check.id) else {
      return .skipped("it was left out by --dont-run")
    }
    return await withCheckedContinuation { continuation in
      let first = First(continuation)
      // Both end by themselves, and the second one to end tells nobody.
      let work = Task {
        do {
          first.tell(try await check.judge(subject))
        } catch let outcome as CheckOutcome {
          first.tell(outcome)
        } catch {
          first.tell(.error("\(error)", remedy: "Tell it to whoever looks after this program."))
        }
      }
      Task {
        try? await Pause.sleep(for: limit)
        first.tell(
          .error(
            "it took more than \(limit)",
            remedy: "Something that it asks hangs; see the checks that failed beside it."
          )
        )
        work.cancel()
      }
    }
  }

  /// Resumes once.
  private final class First: Sendable {
    private let continuation: Mutex<CheckedContinuation<CheckOutcome, Never>?>

    init(_ continuation: CheckedContinuation<CheckOutcome, Never>) {
      self.continuation = Mutex(continuation)
    }

    func tell(_ outcome: CheckOutcome) {
      let waiting = continuation.withLock { waiting in
        defer { waiting = nil }
        return waiting
      }
      waiting?.resume(returning: outcome)
    }
  }

  /// All reports as one value: `{"checks": {"<id>": {"result", "details", "remedy"}}}`.
  package static func json(_ reports: [CheckReport], version: String) -> JSONValue {
    var checks: JSONObject = [:]
    for report in reports { checks[report.check.id] = report.json }
    return [
      "additional_info": ["orrery_edge_version": .string(version)], "checks": .object(checks),
    ]
  }

  /// Whether the run counts as failed.
  package static func hasFailed(_ reports: [CheckReport], _ options: CheckOptions) -> Bool {
    reports.contains { report in
      switch report.outcome {
      case .error: true
      case .warning: options.warningsAreErrors
      case .ok, .skipped: false
      }
    }
  }
}
