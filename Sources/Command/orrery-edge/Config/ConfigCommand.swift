import ArgumentParser
import EdgeService
import JSONTree
import OperatorCommands
import Platform

/// `orrery-edge config`: looks after the settings.
struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config",
    abstract: "Look after the settings.",
    discussion: """
      What writes the settings file checks them before, keeps the file before as FILE.bak, and writes \
      for its owner alone.

        orrery-edge config mp --connection-string-file -
        orrery-edge config import
        orrery-edge config check
        orrery-edge config apply
      """,
    subcommands: [Check.self, ConfigApply.self, ConfigManual.self, ConfigImport.self]
  )

  /// `orrery-edge config check`.
  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "check",
      abstract: "Read the settings file and say what is wrong with it."
    )

    @OptionGroup var options: SettingsOptions

    func run() throws {
      let settings = try options.settings()
      for notice in settings.notices { print("note: \(notice)") }
      print("\(settings.file) is fine")
    }
  }
}

/// `orrery-edge config apply`.
struct ConfigApply: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply",
    abstract: "Let settings take effect: check them, and restart the processes.",
    discussion: "Where no supervisor runs, they take effect with its next start."
  )

  @Option(
    name: .long,
    help: ArgumentHelp("Put this file in place of the settings first.", valueName: "file"),
    completion: .file(extensions: ["toml"])
  )
  var file: String?

  @Flag(name: .long, help: "Restart nothing.") var noRestart = false

  @OptionGroup var options: SettingsOptions

  func run() throws {
    let settings: EdgeSettings
    if let file {
      settings = try SettingsFile.replace(
        options.configPath,
        with: try PrivateFile.read(file, limit: TOMLDocument.byteLimit),
        paths: options.paths
      )
    } else {
      settings = try options.settings()
    }
    for notice in settings.notices { Console.current.remark("note: \(notice)") }
    guard !noRestart else { return Printer(nil).done("\(settings.file) is fine") }
    do throws(SupervisorClient.Failure) {
      // The supervisor itself has the old settings of folders and users until it is started again.
      try SupervisorClient.ask(.restart(EdgeRole.allCases), at: options.paths.supervisorSocket)
      Printer(nil).done("\(settings.file) takes effect: the processes restart")
    } catch {
      Printer(nil).done("\(settings.file) is fine; it takes effect with the next start")
      Console.current.remark(error.description)
    }
  }
}

/// `orrery-edge config mp`.
struct ConfigManual: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mp",
    abstract: "Write settings with a connection string: the quickest way to an edge.",
    discussion: """
      The connection string is that of the edge device ('orrery device connection-string NAME' \
      prints it). Every user of a machine can read the command lines of all others, so give it in a file or on the \
      input:

        orrery-edge config mp --connection-string-file -
      """
  )

  @Option(
    name: .long,
    help: ArgumentHelp("The file with it, or - for a line of the input.", valueName: "file"),
    completion: .file()
  )
  var connectionStringFile: String?

  @Option(
    name: .long,
    help: ArgumentHelp("The connection string itself; others can read it.", valueName: "text")
  )
  var connectionString: String?

  @Flag(name: .long, help: "Replace settings that are there.") var force = false

  @OptionGroup var options: SettingsOptions

  func validate() throws {
    guard (connectionString == nil) == (connectionStringFile == nil) else { return }
    throw ValidationError("give --connection-string-file, or --connection-string")
  }

  func run() throws {
    let console = Console.current
    let text: String
    if let connectionString {
      console.remark(
        "warning: a connection string on the command line can be read by every user of this machine, "
          + "and stays in the shell's history; give --connection-string-file"
      )
      text = connectionString
    } else {
      text = try line()
    }
    try options.refuseToReplace(force)
    let file = TOMLDocument.text(of: [
      "provisioning": ["source": "manual", "connection_string": .string(text)]
    ])
    try SettingsFile.replace(options.configPath, with: Array(file.utf8), paths: options.paths)
    Printer(nil).done("wrote \(options.configPath); 'orrery-edge config apply' lets it take effect")
  }

  private func line() throws -> String {
    let text: String?
    if connectionStringFile == "-" {
      text = Console.current.readLine()
    } else {
      let bytes = try PrivateFile.read(connectionStringFile ?? "", limit: 65_536)
      text = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first.map(String.init)
    }
    let line = text.map { $0.filter { !$0.isWhitespace } } ?? ""
    guard !line.isEmpty else {
      throw CommandFailure(
        .usage,
        "there is no connection string in \(connectionStringFile ?? "-")"
      )
    }
    return line
  }
}

extension SettingsOptions {
  /// The settings file, from the root on.
  var configPath: String { Self.absolute(config) }

  /// Refuses to write over settings that are there.
  func refuseToReplace(_ force: Bool) throws(CommandFailure) {
    guard !force, PrivateFile.exists(configPath) else { return }
    throw CommandFailure(
      .conflict,
      "\(configPath) is there already",
      remedy: "--force replaces it and keeps it as \(configPath).bak; --config names another file."
    )
  }
}
