import ArgumentParser
import EdgeEngine
import EdgeService
import JSONTree
import OperatorCommands
import Platform

/// `orrery-edge check`.
struct CheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Look for what is wrong with this edge, and say how to mend it.",
    discussion: """
      Run it as root, or as the user of the edge: others may not see all of it. It changes nothing. \
      'orrery-edge check-list' names the checks. The exit status is 0 unless a check finds an error.

        orrery-edge check
        orrery-edge check --verbose --dont-run host-local-time
        orrery-edge check --output json --warnings-as-errors
      """
  )

  /// How the result is printed.
  enum Form: String, ExpressibleByArgument, CaseIterable {
    case text, json
  }

  @Flag(name: .long, help: "Tell what is skipped, and what was seen where all is well.")
  var verbose = false

  @Option(name: .shortAndLong, help: "text or json.")
  var output = Form.text

  @Option(
    name: .long,
    help: ArgumentHelp("Leave this check out; give it again for more.", valueName: "id")
  )
  var dontRun: [String] = []

  @Option(
    name: .long,
    help: ArgumentHelp("The hub above, where the settings do not name it.", valueName: "name")
  )
  var iothubHostname: String?

  @Option(
    name: .long,
    help: ArgumentHelp("Connect through this proxy, not the environment's.", valueName: "uri")
  )
  var proxyUri: String?

  @Option(
    name: .long,
    help: ArgumentHelp("The time server to compare the clock with.", valueName: "host[:port]")
  )
  var ntpServer: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "An image on this machine that is run with 'upstream --hostname H --port P' and ends with 0 if "
        + "it can connect.",
      valueName: "image"
    )
  )
  var diagnosticsImageName: String?

  @Option(
    name: .long,
    help: ArgumentHelp("The container engine's own settings.", valueName: "file"),
    completion: .file(extensions: ["json"])
  )
  var containerEngineConfigFile: String?

  @Option(name: .long, help: ArgumentHelp("The supervisor should be of it.", valueName: "version"))
  var expectedAziotVersion: String?

  @Option(name: .long, help: ArgumentHelp("The agent should be of it.", valueName: "version"))
  var expectedAziotEdgeVersion: String?

  @Flag(name: .long, help: "Let warnings count as errors.") var warningsAsErrors = false

  @OptionGroup var settings: SettingsOptions

  func validate() throws {
    let known = EdgeCheck.all.map(\.id)
    for id in dontRun where !known.contains(id) {
      let near = Spelling.nearest(to: id, among: known).map { "; did you mean \($0)?" } ?? ""
      throw ValidationError("--dont-run: there is no check \(id)\(near)")
    }
  }

  func run() async throws {
    var options = CheckOptions()
    options.hubHostName = iothubHostname
    options.proxyURI = proxyUri
    options.ntpServer = ntpServer ?? options.ntpServer
    options.diagnosticsImage = diagnosticsImageName
    options.engineSettings = containerEngineConfigFile ?? options.engineSettings
    options.expectedVersions["aziot-version"] = expectedAziotVersion
    options.expectedVersions["aziot-edge-version"] = expectedAziotEdgeVersion
    options.skipped = Set(dontRun)
    options.warningsAreErrors = warningsAsErrors
    let reports = await settings.check(options)
    switch output {
    case .json:
      let json = CheckRun.json(reports, version: EdgeVersion.runtime.version)
      Console.current.writeOutput(JSON.prettyText(json) + "\n")
    case .text: CheckSheet(isVerbose: verbose).show(reports, on: .current)
    }
    if CheckRun.hasFailed(reports, options) { throw ExitCode(1) }
  }
}

extension SettingsOptions {
  /// Runs the checks on this machine.
  func check(_ options: CheckOptions) async -> [CheckReport] {
    let read: Result<EdgeSettings, SettingsFault>
    do throws(SettingsFault) { read = .success(try settings()) } catch { read = .failure(error) }
    return await CheckRun.run(
      settings: read,
      paths: paths,
      options: options,
      ports: BoxPorts(paths: paths, variables: ProcessEnvironment.variables)
    )
  }
}

/// `orrery-edge check-list`.
struct CheckListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check-list",
    abstract: "Name all checks, for --dont-run."
  )

  @Option(name: .shortAndLong, help: "table or json.")
  var output: OutputFormat?

  func run() throws {
    let list = EdgeCheck.all.map { check -> JSONValue in
      [
        "id": .string(check.id), "group": .string(check.group.rawValue),
        "description": .string(check.title),
      ]
    }
    Printer(output).show(.array(list)) { printer in
      var table = Table(["ID", "GROUP", "LOOKS WHETHER"])
      for check in EdgeCheck.all {
        table.append([Cell(check.id), Cell(check.group.rawValue), Cell(check.title)])
      }
      printer.table(table, none: "")
    }
  }
}

/// The result of checks, for people.
struct CheckSheet {
  let isVerbose: Bool

  func show(_ reports: [CheckReport], on console: Console) {
    let isColored = console.isOutputColored
    for group in EdgeCheck.Group.allCases {
      let title = "\(group.rawValue) checks"
      console.writeOutput(Style.strong.applied(to: title, if: isColored) + "\n")
      for report in reports where report.check.group == group {
        let (mark, style) = Self.look(report.outcome)
        if case .skipped = report.outcome, !isVerbose { continue }
        let line = "\(mark) \(report.check.title) (\(report.check.id)): \(report.outcome.word)"
        console.writeOutput(style.applied(to: line, if: isColored) + "\n")
        if case .ok = report.outcome, !isVerbose { continue }
        if let detail = report.outcome.detail { write(detail, console) }
        if let remedy = report.outcome.remedy { write("→ \(remedy)", console) }
      }
      console.writeOutput("\n")
    }
    let counts = ["ok", "warning", "error", "skipped"].map { word in
      "\(reports.count { $0.outcome.word == word }) \(word)"
    }
    console.writeOutput(counts.joined(separator: ", ") + "\n")
  }

  private func write(_ text: String, _ console: Console) {
    console.writeOutput("    " + LineLogHandler.visible(text) + "\n")
  }

  private static func look(_ outcome: CheckOutcome) -> (String, Style) {
    switch outcome {
    case .ok: ("√", .good)
    case .warning: ("‼", .warning)
    case .error: ("×", .bad)
    case .skipped: ("-", .faint)
    }
  }
}
