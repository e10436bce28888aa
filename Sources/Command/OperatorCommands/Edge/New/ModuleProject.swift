import JSONTree

/// The files of a new module, in any language, and the template around it.
protocol ModuleProject {
  /// The module's name.
  var name: String { get }
  /// Where its image will be.
  var repository: String { get }
  /// Names relative to the module's folder, and texts.
  var files: [(name: String, text: String)] { get }
}

extension ModuleProject {
  /// What `module.json` says.
  func description(language: String, process: String) -> String {
    let description: JSONValue = [
      "$schema-version": "0.0.1",
      "description": .string("The module \(name)."),
      "image": [
        "repository": .string(repository),
        "tag": ["version": "0.1.0", "platforms": ["amd64": "./Dockerfile.amd64"]],
        "buildOptions": [], "contextPath": "./",
      ],
      "language": .string(language),
      "process": .string(process),
    ]
    return JSON.prettyText(description) + "\n"
  }

  /// What stands below `modules` of the manifest.
  var deploymentModule: JSONValue {
    [
      "version": "0.1.0", "type": "docker", "status": "running", "restartPolicy": "always",
      "settings": ["image": .string("${MODULES.\(name)}"), "createOptions": [:]],
    ]
  }

  /// A template that has this module: what leaf devices send goes in, what comes out goes upstream.
  var deployment: String {
    var routes: JSONObject = [:]
    routes["devices-to-\(name)"] = .string(
      "FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) "
        + "INTO BrokeredEndpoint(\"/modules/\(name)/inputs/input\")"
    )
    routes["\(name)-up"] = .string("FROM /messages/modules/\(name)/outputs/output INTO $upstream")
    let image: (String) -> JSONValue = { name in
      ["image": .string("localhost:5000/orrery-\(name):0.1"), "createOptions": [:]]
    }
    var content: JSONObject = [
      "$edgeAgent": [
        "properties.desired": [
          "schemaVersion": "1.1",
          "runtime": ["type": "docker", "settings": ["minDockerVersion": "v1.25"]],
          "systemModules": [
            "edgeAgent": ["type": "docker", "settings": image("edge-agent")],
            "edgeHub": [
              "type": "docker", "status": "running", "restartPolicy": "always",
              "settings": image("edge-hub"),
            ],
          ],
          "modules": .object(JSONObject([(key: name, value: deploymentModule)])),
        ]
      ],
      "$edgeHub": [
        "properties.desired": [
          "schemaVersion": "1.1", "routes": .object(routes),
          "storeAndForwardConfiguration": ["timeToLiveSecs": 604_800],
        ]
      ],
    ]
    content[name] = ["properties.desired": ["threshold": 25]]
    let template: JSONValue = [
      "$schema-template": "4.0.0", "modulesContent": .object(content),
    ]
    return JSON.prettyText(template) + "\n"
  }
}
