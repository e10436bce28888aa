import EdgeEngine
import JSONTree
import Testing

@Suite("Desired properties of $edgeAgent (edge contract 2.2, 2.3, 2.5)")
struct AgentConfigurationTests {
  private static let digest = "sha256:" + String(repeating: "0a", count: 32)

  static let sample: JSONObject = [
    "schemaVersion": "1.1", "$version": 4,
    "runtime": [
      "type": "docker",
      "settings": [
        "minDockerVersion": "v1.25", "loggingOptions": "{\"max-size\":\"1m\"}",
        "registryCredentials": [
          "own": ["address": "registry.example:5000", "username": "u", "password": "p "],
          "up": ["address": "$upstream:443", "username": "u2", "password": "p2"], "gone": nil,
        ],
      ],
    ],
    "systemModules": [
      "edgeAgent": [
        "type": "docker", "status": "stopped", "restartPolicy": 5, "startupOrder": "x",
        "settings": ["image": " agent:1 ", "createOptions": "{}"],
        "env": ["A": ["value": "x"]], "imagePullPolicy": "never",
      ],
      "edgeHub": [
        "type": "docker", "status": "running", "startupOrder": 1, "settings": ["image": "hub:1"],
      ],
    ],
    "modules": [
      "filter": [
        "type": "Docker", "version": "2.1", "status": "Running", "restartPolicy": "on-failure",
        "imagePullPolicy": "never", "startupOrder": 4_294_967_295,
        "env": [
          "T": ["value": "text"], "N": ["value": 1.50], "B": ["value": true], "G": nil,
          "E": ["value": ""],
        ],
        "settings": [
          "image": "registry.example:5000/a/filter:2.1", "createOptions": "{\"Labels\":",
          "createOptions01": "{\"a\":\"b\"}", "createOptions02": "}",
          "digest": .string(Self.digest),
        ],
        "unknown": 5,
      ],
      "plain": ["type": "docker", "status": "stopped", "settings": ["image": "plain"]],
      "tool": ["type": "process", "status": "running", "settings": ["image": "/usr/bin/Tool"]],
      "gone": nil,
    ],
    "integrity": 5,
  ]

  @Test("all fields and defaults")
  func accepted() throws {
    let configuration = try AgentConfiguration(desired: Self.sample)
    #expect(configuration.schemaVersion == "1.1")
    #expect(configuration.warnings.isEmpty)
    #expect(configuration.runtime.kind == .docker)
    #expect(configuration.runtime.minDockerVersion == "v1.25")
    #expect(configuration.runtime.loggingOptions == "{\"max-size\":\"1m\"}")
    #expect(configuration.runtime.registryCredentials.map(\.name) == ["own", "up"])
    #expect(configuration.runtime.registryCredentials[0].password == "p ")

    #expect(!"\(configuration) \(configuration.runtime)".contains("p2"), "a password shows")

    let agent = try #require(configuration.edgeAgent)
    #expect((agent.status, agent.restartPolicy) == (.running, .always))
    #expect(agent.startupOrder == 0)
    #expect(agent.image == "agent:1")
    #expect(agent.imagePullPolicy == .never)
    #expect(agent.environment == ["A": "x"])
    #expect(agent.moduleID == "$edgeAgent")
    let hub = try #require(configuration.edgeHub)
    #expect((hub.status, hub.restartPolicy) == (.running, .always))
    #expect((hub.startupOrder, hub.imagePullPolicy) == (1, .onCreate))
    #expect(hub.moduleID == "$edgeHub")

    #expect(configuration.modules.map(\.name) == ["filter", "plain", "tool"])
    let filter = configuration.modules[0]
    #expect((filter.kind, filter.version) == (.docker, "2.1"))
    #expect((filter.status, filter.restartPolicy) == (.running, .onFailure))
    #expect((filter.imagePullPolicy, filter.startupOrder) == (.never, 4_294_967_295))
    #expect(filter.environment == ["T": "text", "N": "1.5", "B": "true", "E": ""])
    #expect(filter.createOptions.object == ["Labels": ["a": "b"]])
    #expect(filter.digest == Self.digest)
    #expect(filter.pinnedImage.hasSuffix("@" + Self.digest))
    let plain = configuration.modules[1]
    #expect((plain.status, plain.restartPolicy) == (.stopped, .onUnhealthy))
    #expect((plain.imagePullPolicy, plain.startupOrder) == (.onCreate, 4_294_967_295))
    #expect(plain.createOptions.object.isEmpty)
    #expect(configuration.modules[2].kind == .process)
    #expect(configuration.allModules.count == 5)
  }

  @Test("an object as create options is accepted with a warning")
  func warnings() throws {
    let desired = Self.changed(["modules", "plain", "settings", "createOptions"], ["A": 1])
    let configuration = try AgentConfiguration(desired: desired)
    #expect(configuration.modules[1].createOptions.object == ["A": 1])
    #expect(configuration.warnings.count == 1)
    #expect(
      configuration.warnings[0].hasPrefix("modules.plain.settings.createOptions is an object")
    )
  }

  /// The sample with another value, or none, at `path`.
  static func changed(_ path: [String], _ value: JSONValue?) -> JSONObject {
    func change(_ object: JSONObject, _ path: ArraySlice<String>) -> JSONObject {
      var object = object
      guard let key = path.first else { return object }
      object[key] =
        path.count == 1
        ? value : .object(change(object[key]?.objectValue ?? [:], path.dropFirst()))
      return object
    }
    return change(sample, path[...])
  }

  @Test("every field wrong in turn refuses the whole, with its path")
  func refused() throws {
    let rows: [(String, JSONValue?, String)] = [
      ("runtime", nil, "runtime is missing"), ("runtime", 5, "runtime must be an object"),
      ("runtime.type", nil, "runtime.type is missing"),
      ("runtime.type", "podman", "runtime.type must be \"docker\" or \"process\""),
      ("runtime.settings", 5, "runtime.settings must be an object"),
      (
        "runtime.settings.minDockerVersion", 5, "runtime.settings.minDockerVersion must be a string"
      ),
      ("runtime.settings.loggingOptions", [:], "runtime.settings.loggingOptions must be a string"),
      ("runtime.settings.registryCredentials", [], "runtime.settings.registryCredentials must be"),
      (
        "runtime.settings.registryCredentials.own", 5,
        "runtime.settings.registryCredentials.own must"
      ),
      (
        "runtime.settings.registryCredentials.own.address", " ",
        "runtime.settings.registryCredentials.own.address is blank."
      ),
      (
        "runtime.settings.registryCredentials.own.username", nil,
        "runtime.settings.registryCredentials.own.username is missing"
      ),
      (
        "runtime.settings.registryCredentials.own.password", "",
        "runtime.settings.registryCredentials.own.password is blank."
      ),
      ("systemModules", nil, "systemModules is missing"),
      ("systemModules.edgeAgent", 5, "systemModules.edgeAgent must be an object"),
      ("systemModules.edgeAgent.type", nil, "systemModules.edgeAgent.type is missing"),
      ("systemModules.edgeAgent.settings", nil, "systemModules.edgeAgent.settings is missing"),
      ("systemModules.edgeAgent.settings.image", nil, "systemModules.edgeAgent.settings.image is"),
      ("systemModules.edgeHub.status", nil, "systemModules.edgeHub.status is missing"),
      ("systemModules.edgeHub.type", 5, "systemModules.edgeHub.type must be a string"),
      ("modules", 5, "modules must be an object"), ("modules.filter", 5, "modules.filter must be"),
      ("modules.edgeHub", [:], "modules.edgeHub is no name for a module"),
      ("modules.$edgeHub", [:], "modules.$edgeHub is no name for a module"),
      ("modules.a b", [:], "modules.a b is no name for a module"),
      ("modules.a:b", [:], "modules.a:b is no name for a module"),
      ("modules.-a", [:], "modules.-a is no name for a module"),
      ("modules.\(String(repeating: "a", count: 129))", [:], "modules.aaa"),
      ("modules.filter.type", nil, "modules.filter.type is missing"),
      ("modules.filter.type", "podman", "modules.filter.type must be"),
      ("modules.filter.version", 2.1, "modules.filter.version must be a string"),
      ("modules.filter.status", nil, "modules.filter.status is missing"),
      (
        "modules.filter.status", "paused",
        "modules.filter.status must be \"running\" or \"stopped\""
      ),
      ("modules.filter.restartPolicy", "sometimes", "modules.filter.restartPolicy must be"),
      ("modules.filter.restartPolicy", 5, "modules.filter.restartPolicy must be a string"),
      ("modules.filter.imagePullPolicy", "always", "modules.filter.imagePullPolicy must be"),
      ("modules.filter.startupOrder", -1, "modules.filter.startupOrder must be 0 to 4294967295"),
      ("modules.filter.startupOrder", 4_294_967_296, "modules.filter.startupOrder must be 0 to"),
      ("modules.filter.startupOrder", "1", "modules.filter.startupOrder must be an integer"),
      ("modules.filter.startupOrder", 1.5, "modules.filter.startupOrder must be an integer"),
      ("modules.filter.env", [], "modules.filter.env must be an object"),
      ("modules.filter.env.T", "text", "modules.filter.env.T must be an object"),
      ("modules.filter.env.T.value", nil, "modules.filter.env.T.value is missing"),
      ("modules.filter.env.T.value", [:], "modules.filter.env.T.value must be a string"),
      ("modules.filter.env.a=b", ["value": ""], "modules.filter.env.a=b is no name of a variable"),
      ("modules.filter.env.", ["value": ""], "modules.filter.env. is no name of a variable"),
      ("modules.filter.settings", 5, "modules.filter.settings must be an object"),
      ("modules.filter.settings.image", nil, "modules.filter.settings.image is missing"),
      ("modules.filter.settings.image", "  ", "modules.filter.settings.image is blank"),
      ("modules.filter.settings.image", "a/B", "modules.filter.settings.image is no image's name"),
      ("modules.filter.settings.image", 5, "modules.filter.settings.image must be a string"),
      ("modules.filter.settings.createOptions", 5, "modules.filter.settings.createOptions must be"),
      (
        "modules.filter.settings.createOptions01", 5,
        "modules.filter.settings.createOptions01 must be a string"
      ),
      (
        "modules.filter.settings.createOptions01", nil,
        "modules.filter.settings.createOptions holds no"
      ),
      (
        "modules.plain.settings.createOptions", "[]",
        "modules.plain.settings.createOptions must hold"
      ),
      ("modules.filter.settings.digest", 5, "modules.filter.settings.digest must be a string"),
      (
        "modules.filter.settings.digest", "sha256:00",
        "modules.filter.settings.digest must be \"sha256:\" and 64"
      ),
      (
        "modules.tool.settings.digest", .string(Self.digest),
        "modules.tool.settings.digest is for images"
      ),
      (
        "modules.filter.settings.image",
        .string("r.io/x@sha256:" + String(repeating: "b", count: 64)),
        "modules.filter.settings.digest is sha256:0a0a"
      ),
    ]
    for (path, value, expected) in rows {
      let keys = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
      let status = try #require(throws: DesiredStatus.self) {
        try AgentConfiguration(desired: Self.changed(keys, value))
      }
      #expect(status.code == .refused, "\(path)")
      #expect(status.description.hasPrefix(expected), "\(status.description)")
      #expect(!status.description.contains("p2"), "a password shows")
    }
  }

  @Test("unknown schema versions are 412, empty properties 417")
  func codes() throws {
    for version in [nil, "2.0", "1.2", "1", "1.x", "", "1.-1", 1.0] as [JSONValue?] {
      let desired = Self.changed(["schemaVersion"], version)
      let status = try #require(throws: DesiredStatus.self) {
        try AgentConfiguration(desired: desired)
      }
      #expect(status.code == .unknownSchema)
      #expect(status.description.hasPrefix("schemaVersion "))
    }
    for version in ["1.0", "1.1", "1.1.0"] as [JSONValue] {
      _ = try AgentConfiguration(desired: Self.changed(["schemaVersion"], version))
    }
    for empty in [[:], ["$version": 1, "$metadata": [:]]] as [JSONObject] {
      let status = try #require(throws: DesiredStatus.self) {
        try AgentConfiguration(desired: empty)
      }
      #expect(status.code == .empty)
      #expect(status.json["code"] == 417)
    }
  }

  @Test("credentials are found by the registry's address, $upstream being the parent's")
  func credentials() throws {
    let all = try AgentConfiguration(desired: Self.sample).runtime.registryCredentials
    let rows: [(String, String?, String?)] = [
      ("registry.example:5000/a/b", nil, "own"), ("REGISTRY.example:5000/a", nil, "own"),
      ("registry.example/a", nil, nil), ("a/b", nil, nil), ("b", nil, nil),
      ("$upstream:443/a", "parent", "up"), ("$upstream:443/a", nil, nil),
      ("parent:443/a", "parent", "up"), ("parent:8443/a", "parent", nil),
    ]
    for (text, parent, expected) in rows {
      let image = try #require(
        ImageReference(text)?.resolved(parentHostName: parent) ?? ImageReference("x")
      )
      #expect(all.credential(for: image, parentHostName: parent)?.name == expected, "\(text)")
    }
  }
}
