import EdgeEngine
package import JSONTree

/// A deployment template of `iotedgedev`, made a manifest (edge contract section 13.1).
///
/// Placeholders are replaced in texts and names of members, so that no value can change the form of
/// the manifest. `createOptions` that are an object become text in pieces.
package struct DeploymentTemplate {
  /// Where modules and values come from.
  package struct Sources {
    /// The platform of `${MODULES.name}`.
    var platform: String
    /// The variables.
    var variables: [String: String]
    /// Reads a file, by its path from the template's folder on; nil if there is none.
    var readFile: (String) -> [UInt8]?

    /// Creates sources.
    package init(
      platform: String,
      variables: [String: String],
      readFile: @escaping (String) -> [UInt8]?
    ) {
      self.platform = platform
      self.variables = variables
      self.readFile = readFile
    }
  }

  /// The most pieces that tools of the vendor write and read.
  private static let pieceLimit = 8

  /// The manifest.
  package let manifest: DeploymentManifest
  /// Folders of the modules that placeholders named, by the modules' names in the manifest.
  package private(set) var folders: [String: String] = [:]

  /// Replaces the placeholders of `template`.
  package init(_ template: JSONValue, _ sources: Sources) throws(TemplateFault) {
    var folders: [String: String] = [:]
    let written = try DeploymentManifest(template)
    for (name, module) in try Self.modules(of: written) {
      let image = module["settings"]?["image"]?.stringValue ?? ""
      // What is wrong with it is told, with its place, when it is replaced.
      if let folder = try? Self.folder(image) { folders[name] = folder }
    }
    self.folders = folders
    let expanded = try Self.expand(.object(written.modulesContent), "modulesContent", sources)
    var manifest = try DeploymentManifest(["modulesContent": expanded])
    try Self.cut(&manifest.modulesContent)
    self.manifest = manifest
  }

  /// The modules that a manifest has the agent run, without the system modules.
  package static func modules(
    of manifest: DeploymentManifest
  ) throws(TemplateFault) -> [(name: String, module: JSONValue)] {
    let agent = try manifest.desired(of: "$edgeAgent")
    return (agent?["modules"]?.objectValue ?? [:]).map { ($0.key, $0.value) }
  }

  private static func folder(_ image: String) throws(TemplateFault) -> String? {
    var folder: String?
    _ = try TemplateText.expand(image) { placeholder throws(TemplateFault) in
      switch placeholder {
      case .module(let name, _): folder = "modules/\(name)"
      case .folder(let path, _): folder = path
      case .variable: break
      }
      return nil
    }
    return folder
  }

  // MARK: - Placeholders

  private static func expand(
    _ value: JSONValue,
    _ path: String,
    _ sources: Sources
  ) throws(TemplateFault) -> JSONValue {
    switch value {
    case .string(let text): return .string(try expand(text, path, sources, depth: 0))
    case .array(let elements):
      var expanded: [JSONValue] = []
      for (index, element) in elements.enumerated() {
        expanded.append(try expand(element, "\(path)[\(index)]", sources))
      }
      return .array(expanded)
    case .object(let object):
      var expanded: JSONObject = [:]
      for (name, value) in object {
        let key = try expand(name, path, sources, depth: 0)
        expanded[key] = try expand(value, "\(path).\(key)", sources)
      }
      return .object(expanded)
    case .null, .bool, .number: return value
    }
  }

  private static func expand(
    _ text: String,
    _ path: String,
    _ sources: Sources,
    depth: Int
  ) throws(TemplateFault) -> String {
    guard depth < TemplateText.depthLimit else {
      throw TemplateFault("\(path): the placeholders in \(text) lead in a circle")
    }
    do throws(TemplateFault) {
      return try TemplateText.expand(text) { placeholder throws(TemplateFault) in
        switch placeholder {
        case .module(let name, let platform):
          return try image("modules/\(name)", platform, path, sources, depth)
        case .folder(let folder, let platform):
          return try image(folder, platform, path, sources, depth)
        case .variable(let name, let isBraced):
          if let value = sources.variables[name] { return value }
          // A bare one may be anything, such as a property of a route's condition.
          guard isBraced else { return nil }
          throw TemplateFault(
            "the variable \(name) has no value",
            remedy: "Set it in the environment, or in .env beside the template: \(name)=…"
          )
        }
      }
    } catch {
      throw error.problem.hasPrefix(path)
        ? error : TemplateFault("\(path): \(error.problem)", remedy: error.remedy)
    }
  }

  private static func image(
    _ folder: String,
    _ platform: String?,
    _ path: String,
    _ sources: Sources,
    _ depth: Int
  ) throws(TemplateFault) -> String {
    guard let module = try description(in: folder, sources) else {
      throw TemplateFault("there is no \(folder)/module.json beside the template")
    }
    let wanted = platform == "debug" ? "\(sources.platform).debug" : platform ?? sources.platform
    do throws(TemplateFault) {
      return try expand(try module.image(wanted), path, sources, depth: depth + 1)
    } catch {
      guard depth == 0 else { throw error }
      throw TemplateFault("\(folder)/module.json: \(error.problem)", remedy: error.remedy)
    }
  }

  /// What `module.json` in `folder` says; nil if there is none.
  package static func description(
    in folder: String,
    _ sources: Sources
  ) throws(TemplateFault) -> ModuleDescription? {
    guard let bytes = sources.readFile("\(folder)/module.json") else { return nil }
    let value: JSONValue
    do throws(JSONFault) {
      value = try JSON.parse(bytes)
    } catch {
      throw TemplateFault("\(folder)/module.json is no JSON: \(error)")
    }
    do throws(TemplateFault) {
      return try ModuleDescription(value)
    } catch {
      throw TemplateFault("\(folder)/module.json: \(error.problem)", remedy: error.remedy)
    }
  }

  // MARK: - Create options

  /// Makes text of the create options of all modules that have an object.
  private static func cut(_ content: inout JSONObject) throws(TemplateFault) {
    guard var agent = content["$edgeAgent"]?.objectValue else { return }
    for (key, value) in agent where key.hasPrefix("properties.desired") {
      agent[key] = try cut(value, "$edgeAgent.\(key)")
    }
    content["$edgeAgent"] = .object(agent)
  }

  /// Wherever settings with create options are: at the top, below modules, in a layer's member.
  private static func cut(
    _ value: JSONValue,
    _ path: String
  ) throws(TemplateFault) -> JSONValue {
    guard var object = value.objectValue else { return value }
    if let options = object["createOptions"]?.objectValue {
      let members = CreateOptions(options).members
      guard members.count <= pieceLimit else {
        throw TemplateFault(
          "\(path).createOptions has more than \(pieceLimit * 512) characters as text"
        )
      }
      object["createOptions"] = nil
      for (name, piece) in members { object[name] = piece }
      if members.isEmpty { object["createOptions"] = "{}" }
    }
    for (name, inner) in object where inner.objectValue != nil {
      object[name] = try cut(inner, "\(path).\(name)")
    }
    return .object(object)
  }
}
