import JSONTree
import OperatorCommands
import Testing

@Suite("Deployment templates (edge contract §13.1)")
struct DeploymentTemplateTests {
  private static let module = #"""
    {"image":{"repository":"${REGISTRY}/filter","tag":{"version":"0.3",
     "platforms":{"amd64":"./Dockerfile.amd64","amd64.debug":"./Dockerfile.debug","arm64v8":"./D"}}},
     "process":"python3 main.py"}
    """#

  private static func sources(
    _ variables: [String: String] = ["REGISTRY": "registry.example"],
    files: [String: String] = [:]
  ) -> DeploymentTemplate.Sources {
    let all = files.merging(["modules/filter/module.json": module, "../x/module.json": module]) {
      given,
      _ in given
    }
    return DeploymentTemplate.Sources(platform: "amd64", variables: variables) {
      all[$0].map { Array($0.utf8) }
    }
  }

  private static func template(
    image: String,
    options: JSONValue = [:],
    route: String = "FROM /* INTO $upstream"
  ) -> JSONValue {
    [
      "$schema-template": "4.0.0",
      "modulesContent": [
        "$edgeAgent": [
          "properties.desired": [
            "schemaVersion": "1.1",
            "modules": [
              "filter": ["settings": ["image": .string(image), "createOptions": options]]
            ],
          ]
        ],
        "$edgeHub": ["properties.desired": ["routes": ["r": .string(route)]]],
      ],
    ]
  }

  private static func settings(_ template: DeploymentTemplate) throws -> JSONValue? {
    let agent = try template.manifest.desired(of: "$edgeAgent")
    return agent?["modules"]?["filter"]?["settings"]
  }

  @Test(
    "images of modules, by platform, folder and debug",
    arguments: [
      ("${MODULES.filter}", "registry.example/filter:0.3-amd64"),
      ("${MODULES.filter.arm64v8}", "registry.example/filter:0.3-arm64v8"),
      ("${MODULES.filter.amd64}", "registry.example/filter:0.3-amd64"),
      ("${MODULES.filter.debug}", "registry.example/filter:0.3-amd64.debug"),
      ("${MODULEDIR<../x>.arm64v8}", "registry.example/filter:0.3-arm64v8"),
      ("$REGISTRY/other:1", "registry.example/other:1"),
      ("${REGISTRY}/other:1", "registry.example/other:1"),
      ("plain:1", "plain:1"),
    ]
  )
  func images(image: String, expected: String) throws {
    let template = try DeploymentTemplate(Self.template(image: image), Self.sources())
    #expect(try Self.settings(template)?["image"]?.stringValue == expected)
  }

  @Test("names of the manifest itself are no variables, and a bare unknown one stays")
  func reserved() throws {
    let route = "FROM /messages/* WHERE $body.t > 3 AND $custom = 'x' INTO $upstream"
    let template = try DeploymentTemplate(
      Self.template(image: "a", route: route),
      Self.sources(["upstream": "bad", "body": "bad", "edgeHub": "bad"])
    )
    let hub = try template.manifest.desired(of: "$edgeHub")
    #expect(hub?["routes"]?["r"]?.stringValue == route)
  }

  @Test("create options that are an object become text in pieces of 512")
  func createOptions() throws {
    let long = String(repeating: "x", count: 1100)
    let template = try DeploymentTemplate(
      Self.template(image: "a", options: ["Labels": ["long": .string(long)]]),
      Self.sources()
    )
    let settings = try #require(try Self.settings(template)?.objectValue)
    let names = ["createOptions", "createOptions01", "createOptions02"]
    let pieces = names.compactMap { settings[$0]?.stringValue }
    #expect(pieces.map(\.count) == [512, 512, 98])
    #expect(try JSON.parse(pieces.joined())["Labels"]?["long"]?.stringValue == long)
    let empty = try DeploymentTemplate(Self.template(image: "a"), Self.sources())
    #expect(try Self.settings(empty)?["createOptions"]?.stringValue == "{}")
    let text = try DeploymentTemplate(
      Self.template(image: "a", options: #"{"Cmd":["$REGISTRY"]}"#),
      Self.sources()
    )
    #expect(
      try Self.settings(text)?["createOptions"]?.stringValue == #"{"Cmd":["registry.example"]}"#
    )
  }

  @Test("a value cannot change the form of the manifest")
  func injection() throws {
    let template = try DeploymentTemplate(
      Self.template(image: "$EVIL"),
      Self.sources(["EVIL": #"x","type":"process"#])
    )
    #expect(try Self.settings(template)?["image"]?.stringValue == #"x","type":"process"#)
    #expect(try Self.settings(template)?["type"] == nil)
  }

  @Test(
    "what is wrong is told with its place",
    arguments: [
      ("${MODULES.none}", "no modules/none/module.json"),
      ("${MODULES.filter.sparc}", "no platform sparc"), ("${MODULES.}", "names no module"),
      ("${MODULEDIR<../x}", "has no >"), ("${MODULEDIR<>}", "is not like"),
      ("${MODULEDIR<../x>arm}", "is not like"),
      ("${NOWHERE}/x", "the variable NOWHERE has no value"),
      ("${NAME", "has no end"), ("${LOOP_MODULE}", "has no value"),
    ]
  )
  func refusals(image: String, message: String) {
    let fault = #expect(throws: TemplateFault.self) {
      try DeploymentTemplate(Self.template(image: image), Self.sources())
    }
    #expect(fault?.problem.contains(message) == true, "\(String(describing: fault))")
    #expect(
      fault?.problem.contains("modulesContent.$edgeAgent.properties.desired.modules.filter") == true
    )
  }

  @Test(
    "a repository that leads back to itself, too many pieces, and what is no manifest are refused"
  )
  func more() {
    let circle = Self.module.replacing("${REGISTRY}", with: "${MODULES.filter}")
    #expect(throws: TemplateFault.self) {
      try DeploymentTemplate(
        Self.template(image: "${MODULES.filter}"),
        Self.sources(files: ["modules/filter/module.json": circle])
      )
    }
    let long: JSONValue = ["a": .string(String(repeating: "x", count: 4200))]
    #expect(throws: TemplateFault.self) {
      try DeploymentTemplate(Self.template(image: "a", options: long), Self.sources())
    }
    for value in [[:], "x", ["modulesContent": 1]] as [JSONValue] {
      #expect(throws: TemplateFault.self) { try DeploymentTemplate(value, Self.sources()) }
    }
    for text in ["{", "{}", #"{"image":{"repository":"r","tag":{"version":"1","platforms":{}}}}"#] {
      #expect(throws: TemplateFault.self) {
        try DeploymentTemplate(
          Self.template(image: "${MODULES.filter}"),
          Self.sources(files: ["modules/filter/module.json": text])
        )
      }
    }
  }

  @Test("dotted names of a layer are joined, and what they cannot join is refused")
  func layers() throws {
    let layer = try DeploymentManifest([
      "modulesContent": ["$edgeHub": ["properties.desired.routes.up": "FROM /* INTO $upstream"]]
    ])
    #expect(try layer.desired(of: "$edgeHub")?["routes"]?["up"] != nil)
    #expect(try layer.desired(of: "$edgeAgent") == nil)
    let bad = try DeploymentManifest([
      "modulesContent": [
        "$edgeHub": ["properties.desired": ["routes": 1], "properties.desired.routes.up": "x"]
      ]
    ])
    #expect(throws: TemplateFault.self) { try bad.desired(of: "$edgeHub") }
  }

  @Test("files of variables")
  func variables() throws {
    let text = """
      # comment
      A=1
      export B = "two words" # why
      C='$A'
      D=bare # comment
      E=

      """
    let read = try EnvironmentFile.read(text)
    #expect(read == ["A": "1", "B": "two words", "C": "$A", "D": "bare", "E": ""])
    for bad in ["A", "1A=2", "A B=2", "A=\"x", "A='x' y", "=1"] {
      #expect(throws: TemplateFault.self, "\(bad)") { try EnvironmentFile.read(bad) }
    }
  }
}
