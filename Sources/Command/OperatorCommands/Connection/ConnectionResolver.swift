/// Decides which hub a command talks to.
///
/// What is said on the command line wins over the environment, which wins over a hub on this machine.
/// A connection string is never taken from the command line itself: every user of the machine can
/// read that.
package struct ConnectionResolver: Sendable {
  /// A file with a connection string or what a hub writes about itself; `-` is the input.
  package var connectFile: String?
  /// The data directory of a hub on this machine.
  package var dataDirectory: String?
  /// A PEM file of authorities to trust.
  package var trustAnchors: String?

  /// Where a hub on this machine keeps its data if nobody says: as `scripts/run` and as the packaged
  /// service do.
  package static let usualDirectories = [".orrery", "/var/lib/orrery"]

  /// Creates a resolver of what the command line says.
  package init(
    connectFile: String? = nil,
    dataDirectory: String? = nil,
    trustAnchors: String? = nil
  ) {
    self.connectFile = connectFile
    self.dataDirectory = dataDirectory
    self.trustAnchors = trustAnchors
  }

  /// The connection.
  ///
  /// - Throws: `usage` when nothing says which hub, or what says it cannot be understood; `notFound`
  ///   when a file that was named is not there.
  package func resolve(_ console: Console = .current) throws(CommandFailure) -> HubConnection {
    var connection = try found(console)
    let variable = console.environment["ORRERY_CA"].flatMap { $0.isEmpty ? nil : $0 }
    if let anchors = trustAnchors ?? variable { connection.trustAnchors = anchors }
    return connection
  }

  private func found(_ console: Console) throws(CommandFailure) -> HubConnection {
    if connectFile != nil, dataDirectory != nil {
      throw CommandFailure(.usage, "--connect and --data both say which hub; give one of them")
    }
    if let connectFile {
      let origin = connectFile == "-" ? "standard input" : connectFile
      let bytes = try read(connectFile, console)
      return try parse(bytes, origin, console)
    }
    if let dataDirectory {
      let path = "\(dataDirectory)/\(ConnectionFile.name)"
      return try parse(try read(path, console), path, console)
    }
    if let text = console.environment["ORRERY_CONNECTION_STRING"], !text.isEmpty {
      return try HubConnection(
        connectionString: text.trimmed,
        origin: "the variable ORRERY_CONNECTION_STRING"
      )
    }
    let directories =
      console.environment["ORRERY_HUB_DATA"].map { [$0] } ?? Self.usualDirectories
    for directory in directories {
      let path = "\(directory)/\(ConnectionFile.name)"
      if let bytes = try? console.readFile(path) {
        return try parse(bytes, path, console)
      }
    }
    throw CommandFailure(
      .usage,
      "nothing says which hub: there is no \(ConnectionFile.name) in "
        + directories.joined(separator: " or "),
      remedy: """
        Start one here (orrery hub --data .orrery), or name its data directory with --data DIR, or
          give a file with a connection string: --connect FILE, or set ORRERY_CONNECTION_STRING.
        """
    )
  }

  private func parse(
    _ bytes: [UInt8],
    _ origin: String,
    _ console: Console
  ) throws(CommandFailure) -> HubConnection {
    try ConnectionFile.read(bytes, origin: origin) { (try? console.readFile($0)) != nil }
  }

  private func read(_ path: String, _ console: Console) throws(CommandFailure) -> [UInt8] {
    do {
      return path == "-" ? try console.readInput() : try console.readFile(path)
    } catch {
      throw CommandFailure(.file(error), "\(error)", remedy: "Is this the right file?")
    }
  }
}
