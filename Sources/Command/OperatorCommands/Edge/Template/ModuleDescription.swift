package import JSONTree

/// What `module.json` says of a module: where its image is to be found, and how it runs without one
/// (edge contract section 13.1).
package struct ModuleDescription: Equatable, Sendable {
  /// The image's name without a tag; may hold variables.
  package let repository: String
  /// The version, which tags begin with.
  package let version: String
  /// Dockerfiles by platform.
  package let platforms: [String: String]
  /// The command that runs it as a plain process, in its folder; ours, nil if it does not say.
  package let process: String?

  /// Reads a `module.json`.
  package init(_ value: JSONValue) throws(TemplateFault) {
    func text(_ path: String...) throws(TemplateFault) -> String {
      guard let text = value[path: path]?.stringValue, !text.trimmed.isEmpty else {
        throw TemplateFault("\(path.joined(separator: ".")) is missing, or no text")
      }
      return text.trimmed
    }
    repository = try text("image", "repository")
    version = try text("image", "tag", "version")
    var platforms: [String: String] = [:]
    for (name, file) in value[path: ["image", "tag", "platforms"]]?.objectValue ?? [:] {
      guard let file = file.stringValue else {
        throw TemplateFault("image.tag.platforms.\(name) must be the name of a Dockerfile")
      }
      platforms[name] = file
    }
    guard !platforms.isEmpty else { throw TemplateFault("image.tag.platforms has none") }
    self.platforms = platforms
    process = value["process"]?.stringValue?.trimmed
  }

  /// The image of a platform, such as `amd64` or `arm64v8.debug`.
  package func image(_ platform: String) throws(TemplateFault) -> String {
    guard platforms[platform] != nil else {
      throw TemplateFault(
        "there is no platform \(platform) in module.json, but "
          + platforms.keys.sorted().joined(separator: ", ")
      )
    }
    return "\(repository):\(version)-\(platform)"
  }
}
