import ArgumentParser
import EdgeService
import JSONTree
import OperatorCommands
import Platform

/// `orrery-edge config import`.
struct ConfigImport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Take over the settings of the vendor's runtime, and say what becomes of each.",
    discussion: """
      It writes our settings file and changes nothing of the vendor's. Each setting is carried over, or \
      differs (the note says how), or has no counterpart. The exit status is 2 if some have none: look \
      at them before you go on.

        orrery-edge config import --dry-run
        orrery-edge config import /mnt/old/etc/aziot/config.toml --config /etc/orrery/edge.toml
      """
  )

  @Argument(help: "The vendor's file.", completion: .file(extensions: ["toml"]))
  var file = "/etc/aziot/config.toml"

  @Flag(name: .long, help: "Write nothing.") var dryRun = false

  @Flag(name: .long, help: "Replace settings that are there.") var force = false

  @Option(name: .shortAndLong, help: "table or json.")
  var output: OutputFormat?

  @OptionGroup var options: SettingsOptions

  func run() throws {
    let imported: SettingsImport
    do {
      imported = try SettingsImport(
        try PrivateFile.read(file, limit: TOMLDocument.byteLimit),
        file: file,
        paths: options.paths
      )
    } catch let fault as SettingsFault {
      // As a setting that has no counterpart, and unlike settings of ours that cannot be used.
      throw CommandFailure(.usage, "\(fault.problem); nothing was written", remedy: fault.remedy)
    }
    if !dryRun {
      try options.refuseToReplace(force)
      try SettingsFile.replace(
        options.configPath,
        with: Array(imported.text.utf8),
        paths: options.paths
      )
    }
    show(imported)
    if imported.hasMissing { throw ExitCode(CommandStatus.usage.rawValue) }
  }

  private func show(_ imported: SettingsImport) {
    let lines = imported.lines.map { line -> JSONValue in
      var object: JSONObject = [
        "setting": .string(line.setting), "result": .string(line.fate.rawValue),
      ]
      if let note = line.note { object["note"] = .string(note) }
      return .object(object)
    }
    Printer(output).show(.array(lines)) { printer in
      var table = Table(["SETTING", "RESULT", "NOTE"])
      for line in imported.lines {
        let style: Style =
          switch line.fate {
          case .carried: .good
          case .differs: .warning
          case .missing: .bad
          }
        let word =
          switch line.fate {
          case .carried: "carried over"
          case .differs: "differs"
          case .missing: "no counterpart"
          }
        table.append([Cell(line.setting), Cell(word, style), Cell(line.note ?? "")])
      }
      printer.table(table, none: "the file is empty")
      if !dryRun { printer.done("wrote \(options.configPath); try it: orrery-edge config check") }
    }
  }
}
