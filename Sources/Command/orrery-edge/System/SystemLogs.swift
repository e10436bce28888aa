import ArgumentParser
import EdgeService
import Glibc
import OperatorCommands
import Platform

/// `orrery-edge system logs`.
struct SystemLogs: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs",
    abstract: "Print what the processes of the edge have written.",
    discussion: """
      From the files in folder of [logging], where the settings name one; else from the system's \
      journal, where the edge is a service of it.
      """
  )

  @Argument(help: "keys, agent or hub; without one, all three.")
  var role: EdgeRole?

  @Option(name: .long, help: ArgumentHelp("So many lines at the end.", valueName: "n"))
  var tail = 1_000

  @Flag(name: .shortAndLong, help: "Go on with what is written from now on.")
  var follow = false

  @Option(
    name: .long,
    help: ArgumentHelp("The edge's service in the journal.", valueName: "name")
  )
  var unit = "orrery-edge"

  @OptionGroup var options: SettingsOptions

  func run() async throws {
    guard let folder = try options.settings().logFolder else { return try journal() }
    let roles = role.map { [$0] } ?? EdgeRole.allCases
    for role in roles { try printEnd(of: role, in: folder) }
    guard follow else { return }
    var places = roles.map { RoleLogs.files(of: $0, in: folder)[1] }.map { ($0, Self.size(of: $0)) }
    while true {
      try await Pause.sleep(for: .milliseconds(250))
      for index in places.indices {
        let (path, place) = places[index]
        let size = Self.size(of: path)
        // It was emptied: its beginning is new.
        let start = size < place ? 0 : place
        places[index].1 = size
        if size > start { Console.current.writeOutput(Self.text(of: path, from: start, to: size)) }
      }
    }
  }

  private func printEnd(of role: EdgeRole, in folder: String) throws {
    var lines: [Substring] = []
    for path in RoleLogs.files(of: role, in: folder) {
      guard let bytes = try? PrivateFile.read(path, limit: 64 << 20) else { continue }
      lines += String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    }
    if lines.isEmpty {
      throw CommandFailure(
        .notFound,
        "there is no log of \(role.rawValue) in \(folder) that this user may read",
        remedy: "Does 'orrery-edge run' run with these settings? Try sudo."
      )
    }
    for line in lines.suffix(max(tail, 0)) {
      Console.current.writeOutput("\(role.rawValue): \(line)\n")
    }
  }

  private static func size(of path: String) -> Int {
    var facts = stat()
    return stat(path, &facts) == 0 ? Int(facts.st_size) : 0
  }

  private static func text(of path: String, from start: Int, to end: Int) -> String {
    guard let file = fopen(path, "re") else { return "" }
    defer { fclose(file) }
    fseek(file, start, SEEK_SET)
    var bytes = [UInt8](repeating: 0, count: min(end - start, 16 << 20))
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  /// Becomes the journal's own reader.
  private func journal() throws {
    var words = ["journalctl", "--unit", unit, "--lines", "\(max(tail, 0))", "--output", "cat"]
    if follow { words.append("--follow") }
    // Each line of the processes names its logger; the journal knows them as one service.
    if let role {
      words += ["--grep", "orrery.(edge.)?\(role.rawValue)"]
    }
    var arguments = words.map { strdup($0) } + [nil]
    execvp("journalctl", &arguments)
    throw CommandFailure(
      .failure,
      "this machine has no journal to read: \(String(cString: strerror(errno)))",
      remedy:
        "Name a folder for logs, with folder = \"/var/log/orrery-edge\" in [logging], and restart."
    )
  }
}
