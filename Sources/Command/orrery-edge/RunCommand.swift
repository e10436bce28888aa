import ArgumentParser
import EdgeService
import Glibc
import Logging
import Platform

/// `orrery-edge run`: the supervisor of all processes.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run the edge: keys, agent and local hub, each a process that is started again.",
    discussion: """
      As root it runs each as a user of its own (orrery-keys, orrery-agent, orrery-hub) where these \
      exist. The settings file is for root alone: each process is told its part of it. SIGTERM stops all of them, modules included, within a minute.
      """
  )

  @OptionGroup var options: SettingsOptions

  func run() throws {
    let settings = try options.settings()
    try settings.refuseCopy(at: options.configPath)
    settings.bootstrapLogging(isRole: false)
    let logger = Logger(label: "orrery.edge")
    for notice in settings.notices { logger.notice("\(notice)") }
    try Supervisor(
      settings: settings,
      program: try Self.program(),
      environment: ProcessEnvironment.variables,
      logger: logger
    ).run()
  }

  /// The path of this program's file.
  private static func program() throws(FileFault) -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard count > 0 else { throw FileFault("read", "/proc/self/exe") }
    return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
