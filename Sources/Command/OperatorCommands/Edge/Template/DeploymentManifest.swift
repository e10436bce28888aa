package import JSONTree

/// A deployment manifest as a value, whatever around it (edge contract section 2.1).
package struct DeploymentManifest: Equatable, Sendable {
  /// `modulesContent`: what each module's desired properties become, by the module's ID.
  package var modulesContent: JSONObject

  /// Takes the content out of a manifest, of a whole configuration (`content`) or of the content alone.
  package init(_ value: JSONValue) throws(TemplateFault) {
    guard let object = value.objectValue else { throw TemplateFault("it is no JSON object") }
    let found = object["modulesContent"] ?? object["content"]?["modulesContent"]
    guard let content = found?.objectValue else {
      throw TemplateFault(
        "modulesContent is missing",
        remedy: "A manifest is {\"modulesContent\":{\"$edgeAgent\":…,\"$edgeHub\":…}}."
      )
    }
    modulesContent = content
  }

  /// The desired properties of a module, nil if the manifest says nothing of it.
  ///
  /// Dotted names, which layers use, are joined to one object.
  package func desired(of module: String) throws(TemplateFault) -> JSONObject? {
    guard let content = modulesContent[module]?.objectValue else { return nil }
    var desired = content["properties.desired"]?.objectValue
    let prefix = "properties.desired."
    for (name, value) in content where name.hasPrefix(prefix) {
      let path = name.dropFirst(prefix.count).split(separator: ".").map(String.init)
      var root: JSONValue = .object(desired ?? [:])
      try Self.set(value, at: path[...], in: &root, name)
      desired = root.objectValue
    }
    return desired
  }

  private static func set(
    _ value: JSONValue,
    at path: ArraySlice<String>,
    in target: inout JSONValue,
    _ name: String
  ) throws(TemplateFault) {
    guard let first = path.first else {
      target = value
      return
    }
    guard var object = target.objectValue else {
      throw TemplateFault("\(name) leads through a value that is no object")
    }
    var inner = object[first] ?? .object([:])
    try set(value, at: path.dropFirst(), in: &inner, name)
    object[first] = inner
    target = .object(object)
  }

  /// The whole manifest.
  package var json: JSONValue { ["modulesContent": .object(modulesContent)] }
}
