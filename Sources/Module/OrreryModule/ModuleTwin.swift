public import JSONTree

/// One half of a module's twin.
public struct TwinProperties: Sendable, Equatable {
  /// Counts the changes.
  public let version: Int64
  /// The properties, without what the hub adds to them.
  public let properties: JSONObject

  init(version: Int64, properties: JSONObject) {
    (self.version, self.properties) = (version, properties)
  }

  /// Takes out what the hub adds.
  init(_ held: JSONObject) {
    version = held["$version"]?.int64Value ?? 0
    properties = Self.own(held)
  }

  static func own(_ held: JSONObject) -> JSONObject {
    var own = held
    own["$version"] = nil
    own["$metadata"] = nil
    return own
  }
}

/// The twin of a module: what is wanted of it, and what it has reported.
public struct ModuleTwin: Sendable, Equatable {
  /// What is wanted.
  public let desired: TwinProperties
  /// What was reported.
  public let reported: TwinProperties
}
