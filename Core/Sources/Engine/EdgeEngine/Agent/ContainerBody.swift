public import JSONTree

/// The body of the engine's create call for a module: the user's create options, and what the agent
/// adds (edge contract sections 2.4 and 3.6).
///
/// What is not named here goes through as the user wrote it.
public struct ContainerBody: Equatable, Sendable {
  /// A file or folder of the host in the container.
  public struct Bind: Equatable, Sendable {
    /// The path on the host, and in the container.
    public let host, container: String

    /// Creates a bind.
    public init(host: String, container: String) { (self.host, self.container) = (host, container) }
  }

  /// The body.
  public private(set) var object: JSONObject

  /// Puts the body together.
  ///
  /// - Parameters:
  ///   - module: what is deployed.
  ///   - image: the image, with the parent's name for `$upstream`; the program of a `process`.
  ///   - generationID: of the module's identity.
  ///   - surroundings: what the module is told.
  ///   - binds: its sockets.
  ///   - allowsElevation: whether it may be privileged or have more capabilities than usual; if not,
  ///     what asks for that is dropped.
  public init(
    _ module: ModuleConfiguration,
    image: String,
    generationID: String,
    surroundings: ModuleSurroundings,
    binds: [Bind],
    allowsElevation: Bool
  ) {
    object = module.createOptions.object
    object["Image"] = .string(image)
    addEnvironment(surroundings.environment(of: module, generationID: generationID))
    addLabels(module)
    var host = object["HostConfig"]?.objectValue ?? [:]
    // The agent restarts modules; two that do would fight.
    host["RestartPolicy"] = nil
    host["Binds"] = .array(
      (host["Binds"]?.arrayValue ?? []) + binds.map { .string("\($0.host):\($0.container)") }
    )
    if !allowsElevation {
      host["Privileged"] = nil
      host["CapAdd"] = nil
      let dropped = host["CapDrop"]?.arrayValue ?? []
      let all: [JSONValue] = ["CHOWN", "SETUID"]
      host["CapDrop"] = .array(dropped + all.filter { !dropped.contains($0) })
    }
    Self.addHost(&host, module, surroundings.edgeHostName)
    object["HostConfig"] = .object(host)
    addNetwork(module, surroundings, host)
  }

  /// Adds variables that the user's own list does not have.
  private mutating func addEnvironment(_ variables: [String: String]) {
    let own = object["Env"]?.arrayValue ?? []
    let names = Set(
      own.compactMap { $0.stringValue?.split(separator: "=").first.map(String.init) }
    )
    let added = variables.filter { !names.contains($0.key) }.sorted { $0.key < $1.key }
    object["Env"] = .array(own + added.map { .string("\($0.key)=\($0.value)") })
  }

  /// The labels by which the agent, and existing tools, know modules again.
  private mutating func addLabels(_ module: ModuleConfiguration) {
    var labels = object["Labels"]?.objectValue ?? [:]
    labels[Self.ownerLabel] = .string(Self.owner)
    labels[Self.imageLabel] = .string(module.image)
    labels[Self.createOptionsLabel] = .string(JSON.text(.object(module.createOptions.object)))
    labels[Self.environmentLabel] = .string(JSON.text(ModuleConfiguration.json(module.environment)))
    object["Labels"] = .object(labels)
  }

  private mutating func addNetwork(
    _ module: ModuleConfiguration,
    _ surroundings: ModuleSurroundings,
    _ host: JSONObject
  ) {
    var networking = object["NetworkingConfig"]?.objectValue ?? [:]
    guard networking["EndpointsConfig"]?.objectValue?.isEmpty ?? true, Self.hasNetwork(host) else {
      return
    }
    let isHub = module.name == ModuleConfiguration.edgeHub
    // So that the name in the hub's certificate leads to it from inside the network too.
    let endpoint: JSONValue = isHub ? ["Aliases": [.string(surroundings.edgeHostName)]] : [:]
    networking["EndpointsConfig"] = .object(
      JSONObject([(key: surroundings.networkID, value: endpoint)])
    )
    object["NetworkingConfig"] = .object(networking)
  }

  /// Whether the container has a network of its own, that could be joined.
  private static func hasNetwork(_ host: JSONObject) -> Bool {
    let mode = host["NetworkMode"]?.stringValue ?? ""
    return mode != "host" && mode != "none" && !mode.hasPrefix("container:")
  }

  /// Leads the gateway's name to this machine: the local hub is a process of it, and its name may be
  /// one that only the machine itself and leaf devices know.
  private static func addHost(
    _ host: inout JSONObject,
    _ module: ModuleConfiguration,
    _ name: String
  ) {
    let isAddress =
      name.contains(":") || name.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E }
    guard module.kind == .docker, hasNetwork(host), !isAddress, name != "localhost" else { return }
    let own = host["ExtraHosts"]?.arrayValue ?? []
    let isNamed = own.contains {
      $0.stringValue?.lowercased().hasPrefix(name.lowercased() + ":") == true
    }
    if !isNamed { host["ExtraHosts"] = .array(own + [.string(name + ":host-gateway")]) }
  }

  /// The label by which tools find the containers of modules.
  public static let ownerLabel = "net.azure-devices.edge.owner"
  /// Its value.
  public static let owner = "Microsoft.Azure.Devices.Edge.Agent"
  private static let imageLabel = "net.azure-devices.edge.original-image"
  private static let createOptionsLabel = "net.azure-devices.edge.create-options"
  private static let environmentLabel = "net.azure-devices.edge.env"
}

extension ContainerBody {
  /// What a container's labels say that it was made of, nil if they are not the agent's.
  public static func origin(
    labels: [String: String]
  ) -> (image: String, createOptions: CreateOptions, environment: [String: String])? {
    guard labels[ownerLabel] == owner, let image = labels[imageLabel],
      let options = labels[createOptionsLabel].flatMap({ try? JSON.parse($0) })?.objectValue,
      let variables = labels[environmentLabel].flatMap({ try? JSON.parse($0) })?.objectValue
    else { return nil }
    var environment: [String: String] = [:]
    for (name, value) in variables { environment[name] = value["value"]?.stringValue }
    return (image, CreateOptions(options), environment)
  }
}
