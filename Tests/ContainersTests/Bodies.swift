import Containers
import EdgeEngine
import HubContract
import JSONTree

/// Modules as a deployment has them.
enum Bodies {
  static let surroundings = ModuleSurroundings(
    hubHostName: "hub.example",
    deviceID: "e1",
    edgeHostName: "edge.example",
    networkID: "edge"
  )

  static func module(
    _ name: String = "filter",
    kind: String = "docker",
    image: String,
    options: String = "{}",
    environment: [String: String] = [:]
  ) throws -> ModuleConfiguration {
    let variables = JSONObject(
      environment.map { (key: $0.key, value: ["value": .string($0.value)] as JSONValue) }
    )
    let module: JSONObject = [
      "type": .string(kind), "status": "running", "env": .object(variables),
      "settings": ["image": .string(image), "createOptions": .string(options)],
    ]
    let desired: JSONObject = [
      "schemaVersion": "1.1", "runtime": ["type": .string(kind), "settings": [:]],
      "systemModules": [:],
      "modules": .object(JSONObject([(key: name, value: JSONValue.object(module))])),
    ]
    return try AgentConfiguration(desired: desired).modules[0]
  }

  static func body(_ module: ModuleConfiguration) -> ContainerBody {
    ContainerBody(
      module,
      image: module.image,
      generationID: "1",
      surroundings: surroundings,
      binds: [],
      allowsElevation: true
    )
  }
}

/// Expects `RuntimeFault` of a kind.
func fault(_ body: () async throws -> Void) async -> RuntimeFault? {
  do {
    try await body()
    return nil
  } catch {
    return error as? RuntimeFault
  }
}
