import ArgumentParser
import Containers
import Glibc

/// Stays with a module that is a process; the agent starts it, people do not.
struct ModuleShimCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: ProcessRuntime.shimCommand,
    abstract: "Run a module that is a process.",
    shouldDisplay: false
  )

  @Argument(help: "The module's folder.")
  var folder: String

  @Argument(help: "Which run of the module it is.")
  var number: Int64

  func run() throws {
    let launcher = ["/proc/self/exe", ProcessRuntime.launcherCommand]
    throw ExitCode(ModuleShim.run(folder: folder, number: number, launcher: launcher))
  }
}

/// Becomes the program of a module; the shim starts it, people do not.
struct ModuleLaunchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: ProcessRuntime.launcherCommand,
    abstract: "Become the program of a module.",
    shouldDisplay: false
  )

  @Argument(help: "The module's folder.")
  var folder: String

  func run() throws { throw ExitCode(ModuleLauncher.run(folder: folder)) }
}
