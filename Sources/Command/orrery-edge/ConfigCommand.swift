import ArgumentParser
import EdgeService

/// `orrery-edge config`: looks after the settings.
struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config",
    abstract: "Look after the settings.",
    subcommands: [Check.self]
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
