public import HubContract
public import JSONTree

/// What the service side writes to a twin (contract §7.5).
public struct TwinUpdate: Equatable, Sendable {
  /// What happens to one part.
  public enum Change: Equatable, Sendable {
    /// Nothing was said.
    case absent
    /// All of it goes.
    case clear
    /// A merge patch, or the whole new part where the update replaces.
    case set(JSONObject)
    /// The whole new part, whether or not the update replaces.
    case replace(JSONObject)
  }

  /// What happens to the tags.
  public var tags: Change
  /// What happens to the desired properties.
  public var desired: Change

  /// Creates an update.
  public init(tags: Change = .absent, desired: Change = .absent) {
    self.tags = tags
    self.desired = desired
  }

  /// Reads the body of PATCH or PUT.
  ///
  /// Everything but `tags` and `properties.desired` is ignored, and so are `$metadata` and
  /// `$version` of the latter, so that a twin that was read can be sent back.
  ///
  /// - Throws: 400004 if a part is there but no object.
  public init(body: JSONValue) throws(HubError) {
    guard let body = body.objectValue else {
      throw HubError(.argumentInvalid, "The body must be a twin: a JSON object.")
    }
    tags = try Self.change(body["tags"], name: "tags")
    desired = .absent
    if let properties = body["properties"], !properties.isNull {
      guard let properties = properties.objectValue else {
        throw HubError(.argumentInvalid, "properties must be an object.")
      }
      desired = try Self.change(properties["desired"], name: "properties.desired")
    }
  }

  private static func change(_ value: JSONValue?, name: String) throws(HubError) -> Change {
    switch value {
    case nil: return .absent
    case .null: return .clear
    case .object(let object): return .set(object.withoutSectionFields())
    default: throw HubError(.argumentInvalid, "\(name) must be an object.")
    }
  }
}

extension TwinUpdate {
  /// Checks it as the whole of a twin that begins with it (contract §7.5).
  ///
  /// - Throws: 400004 with path and rule.
  public func check(_ quotas: Quotas) throws(HubError) {
    for (section, change) in [(TwinSectionName.tags, tags), (.desired, desired)] {
      guard case .set(let object) = change else { continue }
      let limits = TwinLimits(quotas: quotas, section: section)
      try limits.check(object)
      var merged = JSONObject()
      merged.merge(patch: object)
      try limits.checkSize(of: merged)
    }
  }
}
