import JSONTree

/// A manifest as `orrery edge dev` runs it: which modules run as plain processes, and how.
package struct DevelopmentPlan: Equatable, Sendable {
  /// A module that is a command of this machine.
  package struct Program: Equatable, Sendable {
    /// The module's name.
    package let name: String
    /// What the shell runs.
    package let command: String
    /// Where.
    package let directory: String
  }

  /// What is applied to the edge device.
  package private(set) var manifest: DeploymentManifest
  /// The modules that are processes.
  package private(set) var programs: [Program] = []
  /// Modules that somebody else starts, such as an IDE.
  package let attached: [String]

  /// The modules that the edge itself starts.
  package private(set) var started: [String] = []

  /// Decides how the modules of `manifest` run.
  ///
  /// - Parameters:
  ///   - manifest: nothing in it is left to replace.
  ///   - commands: what runs a module, by its name; an empty text leaves the module out.
  ///   - attached: modules that get an identity and are not started.
  ///   - usesContainers: whether a module without a command stays a container.
  ///   - directory: where commands run whose module has no folder.
  ///   - found: the command that `module.json` names, and the module's folder, nil without one.
  ///   - image: what takes the place of a module's image: the folder of its program.
  /// - Throws: `TemplateFault` for a module that cannot be run, or that the manifest does not have.
  package init(
    _ manifest: DeploymentManifest,
    commands: [String: String],
    attached: [String],
    usesContainers: Bool,
    directory: String,
    found: (String) throws -> (command: String?, directory: String)?,
    image: (String) -> String
  ) throws {
    self.manifest = manifest
    self.attached = attached
    guard var agent = try manifest.desired(of: "$edgeAgent") else {
      throw TemplateFault(
        "there is no $edgeAgent in modulesContent, and so there are no modules",
        remedy: "Give a whole deployment, not a layer."
      )
    }
    guard var hub = try manifest.desired(of: "$edgeHub") else {
      throw TemplateFault("there is no $edgeHub in modulesContent, and so there are no routes")
    }
    var modules = agent["modules"]?.objectValue ?? [:]
    for name in commands.keys.sorted() where !modules.contains(name) {
      throw TemplateFault(
        "there is no module \(name) in the manifest, but "
          + (modules.isEmpty ? "none at all" : modules.keys.joined(separator: ", "))
      )
    }
    var missing: [String] = []
    for (name, module) in modules {
      if attached.contains(name) || commands[name] == "" {
        modules[name] = nil
        continue
      }
      started.append(name)
      guard module["type"]?.stringValue != "process" else { continue }
      let own = try found(name)
      guard let command = commands[name] ?? (usesContainers ? nil : own?.command) else {
        if !usesContainers { missing.append(name) }
        continue
      }
      programs.append(
        Program(name: name, command: command, directory: own?.directory ?? directory)
      )
      modules[name] = Self.process(module, image(name))
    }
    guard missing.isEmpty else {
      throw TemplateFault(
        "nothing says how to run \(missing.joined(separator: ", ")) without a container",
        remedy: "Give --module \(missing[0])=COMMAND (or nothing behind = to leave it out), or put "
          + "\"process\": \"COMMAND\" into its module.json."
      )
    }
    agent["modules"] = .object(modules)
    // What people try in a hurry need not be written down whole.
    if !hub.contains("storeAndForwardConfiguration") {
      hub["storeAndForwardConfiguration"] = ["timeToLiveSecs": 7200]
    }
    self.manifest.modulesContent["$edgeAgent"] = ["properties.desired": .object(agent)]
    self.manifest.modulesContent["$edgeHub"] = ["properties.desired": .object(hub)]
  }

  /// The module with `folder` in place of its image, and with nothing that only a container has.
  private static func process(_ module: JSONValue, _ folder: String) -> JSONValue {
    var module = module.objectValue ?? [:]
    let settings = module["settings"]?.objectValue ?? [:]
    var text = settings["createOptions"]?.stringValue ?? ""
    var number = 1
    while let piece = settings[number < 10 ? "createOptions0\(number)" : "createOptions\(number)"]?
      .stringValue
    {
      text += piece
      number += 1
    }
    var kept: JSONObject = [:]
    if let variables = (try? JSON.parse(text))?["Env"] { kept["Env"] = variables }
    module["type"] = "process"
    module["settings"] = [
      "image": .string(folder), "createOptions": .string(JSON.text(.object(kept))),
    ]
    return .object(module)
  }
}

extension DevelopmentPlan.Program {
  /// The program `run` of a module's folder.
  ///
  /// `path` is where the developer's shell finds programs, which a module would not know.
  package func script(path: String?) -> String {
    """
    #!/bin/sh
    cd \(Self.quoted(directory)) || exit 127
    export PATH=\(Self.quoted(path ?? "/usr/local/bin:/usr/bin:/bin")) PYTHONUNBUFFERED=1
    exec /bin/sh -c \(Self.quoted(command))

    """
  }

  private static func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
      + "'"
  }
}
