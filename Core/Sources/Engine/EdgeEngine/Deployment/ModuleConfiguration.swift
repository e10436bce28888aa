import HubContract
import JSONTree

/// One module of a deployment (edge contract section 2.3).
///
/// Modules are compared by the value of all these fields.
public struct ModuleConfiguration: Equatable, Sendable {
  /// What runs a module.
  public enum Kind: String, CaseIterable, Equatable, Sendable {
    /// A container.
    case docker
    /// A program that the daemon starts itself (edge contract section 16, EXT 4).
    case process
  }

  /// What a module is to be.
  public enum WantedStatus: String, CaseIterable, Equatable, Sendable { case running, stopped }

  /// When a module that does not run is started again, lowest first.
  public enum RestartPolicy: String, CaseIterable, Comparable, Sendable {
    case never
    case onFailure = "on-failure"
    case onUnhealthy = "on-unhealthy"
    case always

    /// Whether this comes before `other`.
    public static func < (first: Self, second: Self) -> Bool { first.rank < second.rank }

    private var rank: Int {
      switch self {
      case .never: 0
      case .onFailure: 1
      case .onUnhealthy: 2
      case .always: 3
      }
    }
  }

  /// When an image is fetched.
  public enum ImagePullPolicy: String, CaseIterable, Equatable, Sendable {
    case onCreate = "on-create"
    case never
  }

  /// The start-up order of a module that names none: the last.
  public static let defaultStartupOrder: UInt32 = .max

  /// The name on the machine: `edgeAgent`, `edgeHub`, or the identity's.
  public let name: String
  /// What runs it.
  public var kind: Kind
  /// Free text, carried to the report.
  public var version: String
  /// What it is to be.
  public var status: WantedStatus
  /// When it is started again.
  public var restartPolicy: RestartPolicy
  /// When its image is fetched.
  public var imagePullPolicy: ImagePullPolicy
  /// Modules with a smaller number are started first.
  public var startupOrder: UInt32
  /// Variables, by name.
  public var environment: [String: String]
  /// The image, or the program of a `process`, without outer blanks.
  public var image: String
  /// What its container is created with.
  public var createOptions: CreateOptions
  /// The digest of the image's manifest that alone is run, nil for whatever the image's name leads to.
  public var digest: String?

  /// The image with the digest that it is pinned to.
  public var pinnedImage: String { digest.map { Self.pinned(image, to: $0) } ?? image }

  private static func pinned(_ image: String, to digest: String) -> String {
    image.contains("@") ? image : image + "@" + digest
  }

  /// Names of the two modules that are the runtime itself.
  public static let edgeAgent = "edgeAgent"
  /// See `edgeAgent`.
  public static let edgeHub = "edgeHub"

  /// The identity's module ID, which differs for the two system modules only.
  public var moduleID: String {
    switch name {
    case Self.edgeAgent: ModuleID.edgeAgent
    case Self.edgeHub: ModuleID.edgeHub
    default: name
    }
  }

  /// Whether a user's module may be called `name`: a legal identity that a container may also be
  /// called (edge contract section 2.2).
  static func isValidName(_ name: String) -> Bool {
    guard ModuleID.isValidForUsers(name), name != edgeAgent, name != edgeHub,
      let first = name.utf8.first, isAlphanumeric(first)
    else { return false }
    return name.utf8.allSatisfy { byte in
      isAlphanumeric(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
        || byte == UInt8(ascii: "-")
    }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
  }
}

extension ModuleConfiguration {
  /// Which of a deployment's modules is read; they have other defaults.
  enum Role { case agent, hub, user }

  init(
    _ name: String,
    _ fields: BodyFields,
    _ role: Role,
    warnings: inout [String]
  ) throws(HubError) {
    self.name = name
    guard let kind = try fields.word("type", Kind.self) else {
      throw HubError(.argumentNull, "\(fields.name("type")) is missing; send \"docker\".")
    }
    self.kind = kind
    version = try fields.string("version") ?? ""
    imagePullPolicy = try fields.word("imagePullPolicy", ImagePullPolicy.self) ?? .onCreate
    environment = try Self.environment(fields)
    if role == .agent {
      // It always runs and goes first; what a manifest says of that is ignored.
      (status, restartPolicy, startupOrder) = (.running, .always, 0)
    } else {
      guard let status = try fields.word("status", WantedStatus.self) else {
        throw HubError(.argumentNull, "\(fields.name("status")) is missing; send \"running\".")
      }
      self.status = status
      restartPolicy =
        try fields.word("restartPolicy", RestartPolicy.self)
        ?? (role == .hub ? .always : .onUnhealthy)
      let order = try fields.integer("startupOrder")
      guard let startupOrder = UInt32(exactly: order ?? Int64(Self.defaultStartupOrder)) else {
        throw fields.invalid("startupOrder", "must be 0 to \(UInt32.max), but is \(order ?? 0).")
      }
      self.startupOrder = startupOrder
    }
    let settings = try fields.requiredFields("settings")
    image = try settings.requiredText("image")
    if kind == .docker, ImageReference(image) == nil {
      throw settings.invalid("image", "is no image's name: \"\(image)\".")
    }
    createOptions = try CreateOptions(settings, warnings: &warnings)
    digest = try Self.digest(settings, kind, image)
  }

  private static func digest(
    _ settings: BodyFields,
    _ kind: Kind,
    _ image: String
  ) throws(HubError) -> String? {
    guard let digest = try settings.string("digest")?.trimmed, !digest.isEmpty else { return nil }
    guard kind == .docker else {
      // It would be taken for a protection that it is not.
      throw settings.invalid("digest", "is for images; a module of type process has none.")
    }
    guard ImageReference.isSHA256(digest) else {
      throw settings.invalid(
        "digest",
        "must be \"sha256:\" and 64 small hexadecimal digits, but is \"\(digest)\"."
      )
    }
    if let named = ImageReference(image)?.digest, named != digest {
      throw settings.invalid("digest", "is \(digest), but the image's name says \(named).")
    }
    return digest
  }

  private static func environment(_ fields: BodyFields) throws(HubError) -> [String: String] {
    guard let object = try fields.object("env") else { return [:] }
    let variables = try BodyFields(.object(object), path: fields.name("env"))
    var environment: [String: String] = [:]
    for name in object.keys {
      guard !name.isEmpty, !name.utf8.contains(where: { $0 == UInt8(ascii: "=") || $0 == 0 }) else {
        throw variables.invalid(name, "is no name of a variable.")
      }
      // How a layer takes a variable away.
      guard let variable = try variables.fields(name) else { continue }
      switch variable.value("value") {
      case .string(let text): environment[name] = text
      case .some(let value) where value.numberValue != nil || value.boolValue != nil:
        environment[name] = JSON.text(value)
      case nil:
        throw HubError(.argumentNull, "\(variable.name("value")) is missing; send a string.")
      default: throw variable.invalid("value", "must be a string.")
      }
    }
    return environment
  }

  /// Variables as desired and reported properties write them.
  static func json(_ environment: [String: String]) -> JSONValue {
    .object(
      JSONObject(
        environment.sorted { $0.key < $1.key }
          .map { (key: $0.key, value: ["value": .string($0.value)]) }
      )
    )
  }

  /// What was deployed, less settings and variables, as reports write it.
  var statedMembers: JSONObject {
    var members: JSONObject = [
      "type": .string(kind.rawValue), "version": .string(version),
      "status": .string(status.rawValue), "restartPolicy": .string(restartPolicy.rawValue),
      "imagePullPolicy": .string(imagePullPolicy.rawValue),
    ]
    if startupOrder != Self.defaultStartupOrder {
      members["startupOrder"] = .int(Int64(startupOrder))
    }
    return members
  }

  /// All of it, as a manifest writes it.
  var json: JSONObject {
    var members = statedMembers
    members["env"] = Self.json(environment)
    var settings: JSONObject = ["image": .string(image)]
    for (key, value) in createOptions.members { settings[key] = value }
    if let digest { settings["digest"] = .string(digest) }
    members["settings"] = .object(settings)
    return members
  }
}
