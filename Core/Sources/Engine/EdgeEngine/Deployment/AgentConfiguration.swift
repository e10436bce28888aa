import HubContract
public import JSONTree

/// The desired properties of `$edgeAgent`, read and checked (edge contract sections 2.2 to 2.5).
///
/// Accepted as a whole or refused as a whole: a status is thrown for the first thing that is wrong,
/// and the deployment before stays in force.
public struct AgentConfiguration: Equatable, Sendable {
  /// What runs modules, and with what defaults.
  public struct Runtime: Equatable, Sendable {
    /// The kind of modules; each may have its own.
    public let kind: ModuleConfiguration.Kind
    /// Carried to the report.
    public let minDockerVersion: String
    /// Log options of the engine in JSON text; carried to the report.
    public let loggingOptions: String
    /// How to fetch images, in the order of their names.
    public let registryCredentials: [RegistryCredential]
  }

  /// The schema version, such as `1.1`.
  public let schemaVersion: String
  /// What runs modules.
  public let runtime: Runtime
  /// The agent itself, nil if it is to stay what it is.
  public let edgeAgent: ModuleConfiguration?
  /// The local hub.
  public let edgeHub: ModuleConfiguration?
  /// The user's modules, in the order of their names.
  public let modules: [ModuleConfiguration]
  /// What is accepted, but would not be everywhere.
  public let warnings: [String]

  /// All modules with the system's.
  public var allModules: [ModuleConfiguration] {
    [edgeAgent, edgeHub].compactMap { $0 } + modules
  }

  /// Reads `desired`.
  ///
  /// - Throws: 417 for empty properties, 412 for an unknown schema version, 400 for everything else,
  ///   with the path of what is wrong.
  public init(desired: JSONObject) throws(DesiredStatus) {
    try DesiredFields.checkNotEmpty(desired)
    schemaVersion = try Self.schemaVersion(desired)
    var warnings: [String] = []
    let parts = try DesiredFields.read(desired) { fields throws(HubError) in
      try Self.parts(fields, &warnings)
    }
    (runtime, edgeAgent, edgeHub, modules) = parts
    self.warnings = warnings
  }

  /// Comes first: of another version nothing is known, so nothing else may be complained about.
  private static func schemaVersion(_ desired: JSONObject) throws(DesiredStatus) -> String {
    guard let version = desired["schemaVersion"]?.stringValue else {
      throw DesiredStatus(.unknownSchema, "schemaVersion is missing or no string; send \"1.1\".")
    }
    let numbers = version.split(separator: ".", omittingEmptySubsequences: false)
      .map { UInt32($0) }
    guard (2...4).contains(numbers.count), !numbers.contains(nil), numbers[0] == 1,
      numbers[1] == 0 || numbers[1] == 1
    else {
      throw DesiredStatus(
        .unknownSchema,
        "schemaVersion must be 1.0 or 1.1, but is \"\(version)\"."
      )
    }
    return version
  }

  private typealias Parts = (
    Runtime, ModuleConfiguration?, ModuleConfiguration?, [ModuleConfiguration]
  )

  private static func parts(
    _ fields: BodyFields,
    _ warnings: inout [String]
  ) throws(HubError) -> Parts {
    let runtime = try runtime(try fields.requiredFields("runtime"))
    let system = try fields.requiredFields("systemModules")
    var found: [ModuleConfiguration?] = []
    for (name, role) in [
      (ModuleConfiguration.edgeAgent, ModuleConfiguration.Role.agent),
      (ModuleConfiguration.edgeHub, .hub),
    ] {
      guard let inner = try system.fields(name) else {
        found.append(nil)
        continue
      }
      found.append(try ModuleConfiguration(name, inner, role, warnings: &warnings))
    }
    var modules: [ModuleConfiguration] = []
    if let object = try fields.object("modules") {
      let entries = try BodyFields(.object(object), path: "modules")
      for name in object.keys.sorted() {
        // How a layer takes a module away.
        guard let inner = try entries.fields(name) else { continue }
        guard ModuleConfiguration.isValidName(name) else {
          throw entries.invalid(
            name,
            "is no name for a module: 1 to 128 letters, digits, \"_\", \".\" and \"-\", the first a "
              + "letter or digit, and not edgeAgent or edgeHub."
          )
        }
        modules.append(try ModuleConfiguration(name, inner, .user, warnings: &warnings))
      }
    }
    return (runtime, found[0], found[1], modules)
  }

  private static func runtime(_ fields: BodyFields) throws(HubError) -> Runtime {
    guard let kind = try fields.word("type", ModuleConfiguration.Kind.self) else {
      throw HubError(.argumentNull, "runtime.type is missing; send \"docker\".")
    }
    let settings = try fields.fields("settings")
    var credentials: [RegistryCredential] = []
    if let settings, let object = try settings.object("registryCredentials") {
      let path = settings.name("registryCredentials")
      let entries = try BodyFields(.object(object), path: path)
      for name in object.keys.sorted() {
        guard let inner = try entries.fields(name) else { continue }
        credentials.append(try RegistryCredential(name: name, inner))
      }
    }
    return Runtime(
      kind: kind,
      minDockerVersion: try settings?.string("minDockerVersion") ?? "",
      loggingOptions: try settings?.string("loggingOptions") ?? "",
      registryCredentials: credentials
    )
  }
}
