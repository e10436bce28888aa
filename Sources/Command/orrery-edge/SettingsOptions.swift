import ArgumentParser
import EdgeService
import Glibc
import Logging
import Platform
import UnixSignals

/// Which settings and directories a command uses; the same flags for every role.
struct SettingsOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp("TOML file with the settings.", valueName: "file"),
    completion: .file(extensions: ["toml"])
  )
  var config = EdgePaths.standardSettings

  @Option(
    name: .long,
    help: ArgumentHelp("Directory of the data.", valueName: "dir"),
    completion: .directory
  )
  var data = EdgePaths.standardData

  @Option(
    name: .long,
    help: ArgumentHelp("Directory of the sockets.", valueName: "dir"),
    completion: .directory
  )
  var runDir = EdgePaths.standardRun

  /// Data and sockets, from the root on.
  var paths: EdgePaths { EdgePaths(data: Self.absolute(data), run: Self.absolute(runDir)) }

  /// The settings.
  ///
  /// - Throws: `SettingsFault`, which ends the program with 153.
  func settings() throws(SettingsFault) -> EdgeSettings {
    try EdgeSettings(file: Self.absolute(config), paths: paths)
  }

  /// The settings of a process; its own copy, or the whole file where a person starts it.
  ///
  /// - Throws: `SettingsFault`, also for the copy of another process.
  func settings(of role: EdgeRole) throws(SettingsFault) -> EdgeSettings {
    let settings = try settings()
    if settings.copy?.role != role { try settings.refuseCopy(at: Self.absolute(config)) }
    return settings
  }

  /// The path from the root on.
  static func absolute(_ path: String) -> String {
    guard !path.hasPrefix("/"), let directory = getcwd(nil, 0) else { return path }
    defer { free(directory) }
    return String(cString: directory) + "/" + path
  }
}

extension EdgeSettings {
  /// Lets all loggers of this process write as the settings say; once.
  ///
  /// - Parameters:
  ///   - isRole: Whether the supervisor may change the level.
  ///   - level: The level, nil for that of `[logging]`.
  func bootstrapLogging(isRole: Bool = true, level: Logger.Level? = nil) {
    let threshold = LogThreshold(.info)
    setLevel(of: threshold, level)
    let format: LogFormat =
      logFormat == "auto"
      ? (isatty(2) == 1 ? .text : .json) : LogFormat(rawValue: logFormat) ?? .json
    LoggingSystem.bootstrap { LineLogHandler(label: $0, threshold: threshold, format: format) }
    guard isRole else { return }
    // Goes on for as long as the process; `orrery-edge system set-log-level` sends the signal.
    Task {
      for await _ in await UnixSignalsSequence(trapping: .sighup) { setLevel(of: threshold, level) }
    }
  }

  /// What was asked for since the supervisor began, else what the settings say.
  private func setLevel(of threshold: LogThreshold, _ level: Logger.Level?) {
    let bytes = try? PrivateFile.read(paths.logLevel, limit: 64)
    let asked = bytes.flatMap { Logger.Level(rawValue: String(decoding: $0, as: UTF8.self)) }
    threshold.level = asked ?? level ?? Logger.Level(rawValue: logLevel) ?? .info
  }
}
