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

  @Option(help: "A file or folder that the module does not see.")
  var hide: [String] = []

  func run() throws {
    let launcher =
      ["/proc/self/exe", ProcessRuntime.launcherCommand] + hide.flatMap { ["--hide", $0] }
    throw ExitCode(ProcessShim.run(folder: folder, number: number, launcher: launcher))
  }
}

/// Stays with a module that is a container of crun; the agent starts it, people do not.
struct ModuleContainerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: CrunRuntime.shimCommand,
    abstract: "Run a module by crun.",
    shouldDisplay: false
  )

  @Argument(help: "The module's folder.")
  var folder: String

  @Argument(help: "Which run of the module it is.")
  var number: Int64

  @Argument(help: "The path of crun.")
  var crun: String

  func run() throws {
    throw ExitCode(ContainerShim.run(folder: folder, number: number, crun: crun))
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

  @Option(help: "A file or folder that the module does not see.")
  var hide: [String] = []

  func run() throws { throw ExitCode(ModuleLauncher.run(folder: folder, hidden: hide)) }
}
