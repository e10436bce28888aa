import HubContract
public import JSONTree
public import QueryLanguage

/// The desired properties of `$edgeHub`, read and checked (edge contract section 2.6).
///
/// Accepted as a whole or refused as a whole: a status is thrown for the first thing that is wrong,
/// and the configuration before stays in force.
public struct HubConfiguration: Sendable {
  /// The routes, less those that are blank.
  public let routes: [EdgeRoute]
  /// How long messages wait whose route does not say.
  public let timeToLive: TimeToLive
  /// The most bytes of the store, nil if there is no limit.
  public let maxSizeBytes: Int64?
  /// What is accepted, but would not be everywhere, for the log and for tools that check.
  public let warnings: [String]
  /// The profile that the routes are written in.
  public let profile: Dialect.EdgeProfile

  /// What is in force until a configuration is there: every message goes upstream, however long it
  /// takes (edge contract section 5.1, DIFF 14).
  ///
  /// Notices of changed twins, which nobody has sent, go where a route leads them: the hub above has
  /// notices of its own.
  public static var initial: HubConfiguration {
    let route = try? EdgeRoute(name: "upstream", "FROM /messages/* INTO $upstream")
    return HubConfiguration(routes: route.map { [$0] } ?? [], timeToLive: .forever)
  }

  private init(routes: [EdgeRoute], timeToLive: TimeToLive) {
    self.routes = routes
    self.timeToLive = timeToLive
    maxSizeBytes = nil
    warnings = []
    profile = .lenient
  }

  /// Reads `desired`.
  ///
  /// - Throws: 417 for empty properties, 400 for everything else, with the path of what is wrong.
  public init(
    desired: JSONObject,
    profile: Dialect.EdgeProfile = .lenient
  ) throws(DesiredStatus) {
    try DesiredFields.checkNotEmpty(desired)
    self = try DesiredFields.read(desired) { fields throws(HubError) in
      try HubConfiguration(fields, profile)
    }
  }

  /// Time to live of messages where the store is not configured, as is customary.
  private static let customaryTimeToLive: Int64 = 7200

  private init(_ fields: BodyFields, _ profile: Dialect.EdgeProfile) throws(HubError) {
    let version = try fields.requiredString("schemaVersion")
    guard ["1.0", "1.1", "1.2", "1.3"].contains(version) else {
      throw fields.invalid("schemaVersion", "must be 1.0 to 1.3, but is \"\(version)\".")
    }
    let isFirst = version == "1.0"
    var routes: [EdgeRoute] = []
    if let object = try fields.object("routes") {
      let entries = try BodyFields(.object(object), path: "routes")
      for name in object.keys {
        if let route = try Self.route(name, entries, isFirst: isFirst, profile) {
          routes.append(route)
        }
      }
    }
    let store = try fields.fields("storeAndForwardConfiguration")
    guard isFirst || store != nil else {
      throw HubError(.argumentNull, "storeAndForwardConfiguration is missing; send an object.")
    }
    let seconds = try store?.integer("timeToLiveSecs") ?? Self.customaryTimeToLive
    let limits = try store?.fields("storeLimits")
    let maxSizeBytes = try limits?.integer("maxSizeBytes")
    if let limits, let maxSizeBytes, maxSizeBytes < 1 {
      throw limits.invalid("maxSizeBytes", "must be at least 1, but is \(maxSizeBytes).")
    }
    self.routes = routes
    timeToLive = seconds < 0 ? .forever : .seconds(seconds)
    self.maxSizeBytes = maxSizeBytes
    self.profile = profile
    warnings = routes.flatMap { route in
      route.statement.warnings.map { "routes.\(route.name): \($0.message)" }
    }
  }

  private static func route(
    _ name: String,
    _ entries: BodyFields,
    isFirst: Bool,
    _ profile: Dialect.EdgeProfile
  ) throws(HubError) -> EdgeRoute? {
    guard let value = entries.value(name) else { return nil }
    var text: String
    var priority = EdgeRoute.defaultPriority
    var timeToLive: TimeToLive?
    var whenFull = EdgeRoute.WhenFull.refuse
    if !isFirst, value.objectValue != nil, let fields = try entries.fields(name) {
      text = try fields.requiredString("route")
      priority = try fields.priority
      timeToLive = try fields.timeToLive
      whenFull = try fields.word("whenFull", EdgeRoute.WhenFull.self) ?? .refuse
    } else {
      let expected = isFirst ? "a string in schema version 1.0" : "a string or an object"
      text = try entries.value(name, expected) { $0.stringValue } ?? ""
    }
    // So a layer takes a route away.
    guard !text.trimmed.isEmpty else { return nil }
    do throws(QueryFault) {
      return try EdgeRoute(
        name: name,
        text,
        priority: priority,
        timeToLive: timeToLive,
        whenFull: whenFull,
        profile: profile
      )
    } catch {
      throw HubError(.argumentInvalid, "\(entries.name(name)): \(error.message)")
    }
  }
}

extension BodyFields {
  /// The priority of a route.
  fileprivate var priority: UInt32 {
    get throws(HubError) {
      guard let value = try integer("priority") else { return EdgeRoute.defaultPriority }
      guard let priority = UInt32(exactly: value),
        priority <= 9 || priority == EdgeRoute.defaultPriority
      else { throw invalid("priority", "must be 0 (the highest) to 9, but is \(value).") }
      return priority
    }
  }

  /// The time to live of a route, nil if the general one holds.
  fileprivate var timeToLive: TimeToLive? {
    get throws(HubError) {
      guard let value = try integer("timeToLiveSecs"), value != 0 else { return nil }
      guard let seconds = UInt32(exactly: value) else {
        throw invalid("timeToLiveSecs", "must be 0 to \(UInt32.max), but is \(value).")
      }
      return .seconds(Int64(seconds))
    }
  }
}
