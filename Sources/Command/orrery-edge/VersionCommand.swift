import ArgumentParser
import EdgeEngine
import EdgeService
import OperatorCommands

/// `orrery-edge version`.
struct VersionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "version",
    abstract: "Print the version of this program."
  )

  func run() throws { Console.current.writeOutput("orrery-edge \(EdgeVersion.runtime.version)\n") }
}
