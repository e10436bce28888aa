import ArgumentParser

/// The gateway's program.
@main
struct OrreryEdge: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "orrery-edge",
    abstract: "Your own IoT edge: modules, a local hub and leaf devices on your gateway."
  )
}
