import ArgumentParser

/// The arguments that name an identity, with what the commands on it say of themselves.
protocol IdentityTarget: ParsableArguments {
  /// Where it is.
  var path: IdentityPath { get }

  static var show: CommandConfiguration { get }
  static var delete: CommandConfiguration { get }
  static var connectionString: CommandConfiguration { get }
}

/// `show` of devices and of modules.
struct IdentityShow<Target: IdentityTarget>: AsyncParsableCommand {
  static var configuration: CommandConfiguration { Target.show }

  @OptionGroup var target: Target
  @Flag(help: "Show the keys.") var showKeys = false
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let actions = IdentityActions(hub: client, printer: printer)
      try await actions.show(target.path, showsKeys: showKeys)
    }
  }
}

/// `delete` of devices and of modules.
struct IdentityDelete<Target: IdentityTarget>: AsyncParsableCommand {
  static var configuration: CommandConfiguration { Target.delete }

  @OptionGroup var target: Target
  @OptionGroup var condition: ConditionOptions
  @Flag(name: [.long, .customShort("y")], help: "Do not ask.") var yes = false
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let actions = IdentityActions(hub: client, printer: printer)
      try await actions.delete(target.path, etag: condition.etag, isSure: yes)
    }
  }
}

/// `connection-string` of devices and of modules.
struct IdentityConnectionString<Target: IdentityTarget>: AsyncParsableCommand {
  static var configuration: CommandConfiguration { Target.connectionString }

  @OptionGroup var target: Target
  @Option(help: "Which of its keys: primary or secondary.") var key: KeySlot = .primary
  @Option(help: ArgumentHelp("Edge device that it connects through.", valueName: "host"))
  var gateway: String?
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let actions = IdentityActions(hub: client, printer: printer)
      try await actions.connectionString(target.path, slot: key, gateway: gateway)
    }
  }
}
