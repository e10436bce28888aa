import ArgumentParser
import JSONTree
import Platform

/// `orrery restore`: a data directory out of a backup.
struct RestoreCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore",
    abstract: "Lay a backup out as a hub's data directory.",
    discussion: """
      Every byte is checked first. The directory must not hold a hub's data already. What happened \
      after the backup is gone; devices keep their keys and connect again by themselves.

        orrery restore /backup/monday --data /var/lib/orrery
        orrery hub --data /var/lib/orrery
      """
  )

  @Argument(help: "A directory that 'orrery backup' made.", completion: .directory)
  var directory: String

  @Option(
    help: ArgumentHelp("The data directory to make.", valueName: "dir"),
    completion: .directory
  )
  var data: String

  @Option(name: [.long, .customShort("o")], help: "table for people, json for programs.")
  var output: OutputFormat?

  func run() async throws {
    guard PrivateFile.exists(directory + "/backup.json") else {
      throw CommandFailure(.notFound, "\(directory) holds no whole backup: it has no backup.json")
    }
    guard !PrivateFile.exists(data + "/registry.sqlite") else {
      throw CommandFailure(
        .conflict,
        "\(data) holds a hub's data already",
        remedy: "Name a directory that is new; a restore overwrites nothing."
      )
    }
    let files: [String]
    do {
      files = try Backup.restore(directory, to: data)
    } catch {
      // What is damaged, missing or in the way is told by the error itself.
      throw CommandFailure(error is FileFault ? .file(error) : .failure, "\(error)")
    }
    let answer: JSONValue = ["data": .string(data), "files": .int(Int64(files.count))]
    Printer(output).show(answer) { printer in
      printer.line("Restored \(files.count) files to \(data).")
      printer.console.remark("Start the hub on it: orrery hub --data \(data)")
    }
  }
}
