public import JSONTree

/// What a configuration sets in the twins that it targets (contract §7.8).
public struct ConfigurationContent: Sendable {
  /// Which twins it is for.
  public enum Kind: String, Sendable, CaseIterable {
    /// Device twins: automatic device management.
    case device = "deviceContent"
    /// Module twins: automatic module management.
    case module = "moduleContent"
    /// The module twins of edge devices: a deployment.
    case edge = "modulesContent"
  }

  /// One value and where it goes.
  public struct Setting: Equatable, Sendable {
    /// The path inside the desired properties; empty for all of them.
    public var path: [String]
    /// What stands there.
    public var value: JSONValue

    /// Creates a setting.
    public init(path: [String], value: JSONValue) {
      self.path = path
      self.value = value
    }
  }

  /// What one twin gets.
  public struct Part: Equatable, Sendable {
    /// The module, nil where the twin is that of the target itself.
    public var moduleID: String?
    /// The settings, shorter paths first, so that a deeper one may stand inside another.
    public var settings: [Setting]
  }

  /// Which twins it is for.
  public let kind: Kind
  /// What each twin gets: one part, or one for each module of a deployment.
  public let parts: [Part]
  /// The member of `content` as it was sent, without its name.
  private let value: JSONObject

  private static let prefix = "properties.desired"

  /// Reads the member `content`, or the body of `applyConfigurationContent`.
  ///
  /// - Throws: 400012 for another type, 400402 for content that breaks a rule: not exactly one kind,
  ///   a key that is no path of desired properties, a deployment without `$edgeAgent`.
  public init(json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json, path: "content")
    var found: [(Kind, JSONObject)] = []
    for kind in Kind.allCases {
      if let object = try fields.object(kind.rawValue) { found.append((kind, object)) }
    }
    guard let (kind, object) = found.first, found.count == 1 else {
      throw Self.refusal(
        "content must hold exactly one of deviceContent, moduleContent and modulesContent."
      )
    }
    self.kind = kind
    value = object
    guard kind == .edge else {
      parts = [Part(settings: try Self.settings(object, kind: kind, place: kind.rawValue))]
      return
    }
    guard object.contains(ModuleID.edgeAgent) else {
      throw Self.refusal("modulesContent must hold \(ModuleID.edgeAgent), which may be empty.")
    }
    var parts: [Part] = []
    for (moduleID, settings) in object {
      guard ModuleID.isValid(moduleID) else {
        throw Self.refusal("modulesContent names a module that cannot exist.")
      }
      guard let settings = settings.objectValue else {
        throw Self.refusal("modulesContent.\(moduleID) must be an object.")
      }
      let place = "modulesContent.\(moduleID)"
      parts.append(
        Part(moduleID: moduleID, settings: try Self.settings(settings, kind: kind, place: place))
      )
    }
    self.parts = parts
  }

  /// Whether this deployment stands for itself: it sets all desired properties of `$edgeAgent`.
  ///
  /// Any other deployment is a layer upon one that does.
  public var isBase: Bool {
    kind == .edge
      && parts.contains { part in
        part.moduleID == ModuleID.edgeAgent && part.settings.contains { $0.path.isEmpty }
      }
  }

  /// The member `content` of answers.
  public var json: JSONValue { .object(JSONObject([(key: kind.rawValue, value: .object(value))])) }

  private static func settings(
    _ object: JSONObject,
    kind: Kind,
    place: String
  ) throws(HubError) -> [Setting] {
    var settings: [Setting] = []
    for (key, value) in object {
      guard let path = path(key) else {
        throw refusal("A key of \(place) is not properties.desired or a path below it.")
      }
      if !path.isEmpty {
        settings.append(Setting(path: path, value: value))
        continue
      }
      guard let whole = value.objectValue else {
        throw refusal("\(place): properties.desired must be an object.")
      }
      if kind == .edge {
        settings.append(Setting(path: [], value: value))
      } else {
        // For a device, "all of it" would wipe what others set: it means each of its members.
        settings += whole.map { Setting(path: [$0.key], value: $0.value) }
      }
    }
    // Swift's sort keeps the order of equal elements.
    settings.sort { $0.path.count < $1.path.count }
    return settings
  }

  private static func path(_ key: String) -> [String]? {
    if key == prefix { return [] }
    guard key.hasPrefix(prefix + ".") else { return nil }
    let steps = key.dropFirst(prefix.count + 1).split(
      separator: ".",
      omittingEmptySubsequences: false
    )
    return steps.contains { $0.isEmpty } ? nil : steps.map(String.init)
  }

  private static func refusal(_ message: String) -> HubError {
    HubError(.invalidConfigurationContent, message)
  }
}

extension ConfigurationContent: Equatable {
  /// Whether both are the same content, in whatever order their members stand.
  public static func == (first: ConfigurationContent, second: ConfigurationContent) -> Bool {
    first.kind == second.kind && first.value == second.value
  }
}
