import ArgumentParser
import JSONTree

/// `orrery module`: module identities.
struct ModuleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "module",
    abstract: "Create, show, change and delete module identities.",
    discussion: """
      A module is a part of a device with a twin, credentials and a connection of its own:

        orrery module create thermostat-1 camera
        orrery module connection-string thermostat-1 camera
      """,
    subcommands: [
      ModuleCreate.self, ModuleList.self, IdentityShow<ModuleArguments>.self, ModuleUpdate.self,
      IdentityDelete<ModuleArguments>.self, IdentityConnectionString<ModuleArguments>.self,
    ]
  )
}

/// The arguments that name a module.
struct ModuleArguments: IdentityTarget {
  @Argument(help: ArgumentHelp("The device's ID.", valueName: "device"))
  var device: String

  @Argument(help: ArgumentHelp("The module's ID.", valueName: "module"))
  var module: String

  func validate() throws {
    try IdentityName.check(device: device)
    try IdentityName.check(module: module)
  }

  var path: IdentityPath { IdentityPath(device, module) }

  static let show = CommandConfiguration(
    commandName: "show",
    abstract: "Show a module identity.",
    discussion: "  orrery module show thermostat-1 camera --show-keys"
  )

  static let delete = CommandConfiguration(
    commandName: "delete",
    abstract: "Delete a module identity with its twin.",
    discussion: "  orrery module delete thermostat-1 camera --yes"
  )

  static let connectionString = CommandConfiguration(
    commandName: "connection-string",
    abstract: "Print what a module's SDK needs to connect.",
    discussion: "  orrery module connection-string thermostat-1 camera"
  )
}

struct ModuleCreate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create",
    abstract: "Create a module identity.",
    discussion: "  orrery module create thermostat-1 camera"
  )

  @OptionGroup var target: ModuleArguments
  @OptionGroup var authentication: AuthenticationOptions<ModuleAuthentication>
  @Option(help: ArgumentHelp("Who manages it, in your words.", valueName: "text"))
  var managedBy: String?
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      var body: JSONObject = [
        "deviceId": .string(target.device), "moduleId": .string(target.module),
      ]
      if let authentication = try authentication.json() { body["authentication"] = authentication }
      if let managedBy { body["managedBy"] = .string(managedBy) }
      try await IdentityActions(hub: client, printer: printer).create(target.path, body)
    }
  }
}

struct ModuleList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List a device's modules.",
    discussion: "  orrery module list thermostat-1"
  )

  @OptionGroup var target: DeviceArgument
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let path = target.path
      let rows = try await client.get(path.registry + ["modules"], of: path).arrayValue ?? []
      printer.show(.array(rows)) {
        $0.table(IdentitySheet.modules(rows), none: "\(path.subject) has no modules.")
      }
    }
  }
}

struct ModuleUpdate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "update",
    abstract: "Change a module identity; what is not named stays.",
    discussion: "  orrery module update thermostat-1 camera --thumbprint @camera.pem"
  )

  @OptionGroup var target: ModuleArguments
  @OptionGroup var authentication: AuthenticationOptions<ModuleAuthentication>
  @Option(help: ArgumentHelp("Who manages it, in your words.", valueName: "text"))
  var managedBy: String?
  @OptionGroup var condition: ConditionOptions
  @OptionGroup var hub: HubOptions

  func validate() throws {
    guard managedBy == nil, authentication.isEmpty else { return }
    throw ValidationError(
      "say what to change: --managed-by, or \(AuthenticationOptions<ModuleAuthentication>.names)"
    )
  }

  func run() async throws {
    try await hub.withHub { client, printer in
      let actions = IdentityActions(hub: client, printer: printer)
      try await actions.update(target.path, etag: condition.etag) { body in
        if let authentication = try authentication.json() {
          body["authentication"] = authentication
        }
        if let managedBy { body["managedBy"] = .string(managedBy) }
      }
    }
  }
}
