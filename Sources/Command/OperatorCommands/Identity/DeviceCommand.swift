import ArgumentParser
import JSONTree

/// `orrery device`: device identities.
struct DeviceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "device",
    abstract: "Create, show, change and delete device identities.",
    discussion: """
      A device must have an identity before it can connect. By default it proves itself with keys \
      that the hub makes:

        orrery device create thermostat-1
        orrery device connection-string thermostat-1
      """,
    subcommands: [
      DeviceCreate.self, DeviceList.self, IdentityShow<DeviceArgument>.self, DeviceUpdate.self,
      IdentityDelete<DeviceArgument>.self, IdentityConnectionString<DeviceArgument>.self,
    ]
  )
}

/// The argument that names a device.
struct DeviceArgument: IdentityTarget {
  @Argument(help: ArgumentHelp("The device's ID.", valueName: "device"))
  var device: String

  func validate() throws { try IdentityName.check(device: device) }

  var path: IdentityPath { IdentityPath(device) }

  static let show = CommandConfiguration(
    commandName: "show",
    abstract: "Show a device identity.",
    discussion: """
      Its keys are hidden from the screen unless you ask for them; JSON has them always.

        orrery device show thermostat-1 --show-keys
        orrery device show thermostat-1 -o json | jq .authentication
      """
  )

  static let delete = CommandConfiguration(
    commandName: "delete",
    abstract: "Delete a device identity with its twin, modules and queue.",
    discussion: "  orrery device delete thermostat-1 --yes"
  )

  static let connectionString = CommandConfiguration(
    commandName: "connection-string",
    abstract: "Print what a device's SDK needs to connect.",
    discussion: """
      It holds the device's key: keep it as you keep the key.

        export DEVICE="$(orrery device connection-string thermostat-1)"
      """
  )
}

struct DeviceCreate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create",
    abstract: "Create a device identity.",
    discussion: """
      With keys that the hub makes, with your own, with a certificate, or by a registered authority:

        orrery device create thermostat-1
        orrery device create thermostat-1 --primary-key @a.key --secondary-key @b.key
        orrery device create pump-1 --auth thumbprint --thumbprint @pump-1.pem
        orrery device create pump-2 --auth ca
        orrery device create sensor-7 --parent gateway-1
      """
  )

  @OptionGroup var target: DeviceArgument
  @OptionGroup var authentication: AuthenticationOptions<DeviceAuthentication>

  @Flag(help: "It is an edge device: it runs modules and serves other devices.")
  var edge = false

  @Option(help: ArgumentHelp("The edge device that it connects through.", valueName: "device"))
  var parent: String?

  @Flag(help: "It may not connect yet.")
  var disabled = false

  @Option(help: ArgumentHelp("Why it is enabled or disabled, in your words.", valueName: "text"))
  var statusReason: String?

  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      var body: JSONObject = ["deviceId": .string(target.device)]
      if let authentication = try authentication.json() { body["authentication"] = authentication }
      if edge { body["capabilities"] = ["iotEdge": true] }
      if disabled { body["status"] = "disabled" }
      if let statusReason { body["statusReason"] = .string(statusReason) }
      if let parent { try await Parent.put(parent, into: &body, isEdge: edge, client) }
      try await IdentityActions(hub: client, printer: printer).create(target.path, body)
    }
  }
}

/// The edge device that a device connects through.
enum Parent {
  /// Puts the parent's scope into a device's body (contract §7.3).
  static func put(
    _ parent: String,
    into body: inout JSONObject,
    isEdge: Bool,
    _ hub: HubClient
  ) async throws {
    let path = IdentityPath(parent)
    let device = try await hub.get(path.registry, "the parent, \(path.subject)")
    guard let scope = device["deviceScope"]?.stringValue,
      device[path: ["capabilities", "iotEdge"]]?.boolValue == true
    else {
      throw CommandFailure(
        .failure,
        "\(path.subject) is no edge device, so it cannot be a parent",
        remedy: "Create the parent with --edge."
      )
    }
    // An edge device has a scope of its own and names its parent's beside it; any other device is
    // in its parent's scope.
    if isEdge {
      body["parentScopes"] = [.string(scope)]
    } else {
      body["deviceScope"] = .string(scope)
    }
  }
}

struct DeviceUpdate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "update",
    abstract: "Change a device identity; what is not named stays.",
    discussion: """
      A change of status or credentials takes effect at once: a device that may no longer connect \
      is disconnected. A new status takes the old reason away.

        orrery device update thermostat-1 --disabled --status-reason "stolen"
        orrery device update pump-1 --primary-key env:NEW --secondary-key env:OLD
      """
  )

  @OptionGroup var target: DeviceArgument
  @OptionGroup var authentication: AuthenticationOptions<DeviceAuthentication>

  @Flag(inversion: .prefixedNo, help: "Whether it is an edge device.")
  var edge: Bool?

  @Option(help: ArgumentHelp("The edge device that it connects through.", valueName: "device"))
  var parent: String?

  @Flag(exclusivity: .exclusive, help: "Whether it may connect.")
  var status: StatusFlag?

  @Option(help: ArgumentHelp("Why it is enabled or disabled, in your words.", valueName: "text"))
  var statusReason: String?

  @OptionGroup var condition: ConditionOptions
  @OptionGroup var hub: HubOptions

  /// `--enabled` or `--disabled`.
  enum StatusFlag: String, EnumerableFlag {
    case enabled
    case disabled
  }

  func validate() throws {
    guard edge == nil, parent == nil, status == nil, statusReason == nil, authentication.isEmpty
    else { return }
    throw ValidationError(
      "say what to change: --enabled or --disabled, --status-reason, --edge or --no-edge, "
        + "--parent, or \(AuthenticationOptions<DeviceAuthentication>.names)"
    )
  }

  func run() async throws {
    try await hub.withHub { client, printer in
      let actions = IdentityActions(hub: client, printer: printer)
      try await actions.update(target.path, etag: condition.etag) { body in
        if let authentication = try authentication.json() {
          body["authentication"] = authentication
        }
        if let edge { body["capabilities"] = ["iotEdge": .bool(edge)] }
        if let status, body["status"]?.stringValue != status.rawValue {
          body["status"] = .string(status.rawValue)
          // Why it was locked is no reason why it is open.
          body["statusReason"] = nil
        }
        if let statusReason { body["statusReason"] = .string(statusReason) }
        guard let parent else { return }
        let isEdge = body["capabilities"]?["iotEdge"]?.boolValue == true
        try await Parent.put(parent, into: &body, isEdge: isEdge, client)
      }
    }
  }
}

/// The option that makes a change conditional.
struct ConditionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Only if it is still the version of this ETag.", valueName: "etag")
  )
  var etag: String?
}
