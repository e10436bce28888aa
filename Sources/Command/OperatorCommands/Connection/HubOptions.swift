import ArgumentParser

/// Which hub is meant, and whom it is trusted by.
struct HubPlace: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "File with a connection string, or a hub's connection.json; - is the input.",
      valueName: "file"
    ),
    completion: .file()
  )
  var connect: String?

  @Option(
    name: .long,
    help: ArgumentHelp("Data directory of a hub on this machine.", valueName: "dir"),
    completion: .directory
  )
  var data: String?

  @Option(
    name: .customLong("ca"),
    help: ArgumentHelp("PEM file of the authority to trust (ORRERY_CA).", valueName: "file"),
    completion: .file()
  )
  var authority: String?

  /// Whether one is named.
  var isNamed: Bool { connect != nil || data != nil }

  /// How to reach it; what is not named here is found as the manual says.
  func resolve(_ console: Console) throws(CommandFailure) -> HubConnection {
    try ConnectionResolver(
      connectFile: connect,
      dataDirectory: data,
      trustAnchors: authority
    ).resolve(console)
  }
}

/// The options of every command that talks to a hub.
struct HubOptions: ParsableArguments {
  @OptionGroup var place: HubPlace

  @Option(
    name: [.long, .customShort("o")],
    help: "table for people, json for programs; on a terminal the default is table."
  )
  var output: OutputFormat?

  /// A printer of the form that was asked for.
  var printer: Printer { Printer(output) }

  /// Runs `body` with a client of the hub that is meant, and ends its connections after that.
  func withHub(_ body: (HubClient, Printer) async throws -> Void) async throws {
    let console = Console.current
    let connection = try place.resolve(console)
    let transport = try console.transport(connection)
    do {
      try await body(HubClient(connection, by: transport, now: console.now), printer)
    } catch {
      await transport.close()
      throw error
    }
    await transport.close()
  }
}
