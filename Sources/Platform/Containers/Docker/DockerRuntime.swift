package import EdgeEngine
import HubContract
package import JSONTree
import NIOHTTP1
import Platform

/// Modules as containers of an engine that speaks the Docker Engine API.
package struct DockerRuntime: ModuleRuntime {
  let client: EngineClient
  /// The network that modules join unless their create options say otherwise.
  private let networkID: String
  /// How the engine makes that network, beside its name.
  private let networkOptions: JSONObject

  /// Containers that are asked about at once.
  private static let inquiriesAtOnce = 8

  /// Prepares the way to the engine; connects with the first request.
  ///
  /// - Parameters:
  ///   - address: where the engine listens: the path of its socket, or `http://host:port`.
  ///   - networkID: the network that modules join; made when it is missing.
  ///   - networkOptions: more members of the engine's call that makes it.
  package init(
    address: String = "/var/run/docker.sock",
    networkID: String,
    networkOptions: JSONObject = [:]
  ) {
    client = EngineClient(address: address)
    self.networkID = networkID
    self.networkOptions = networkOptions
  }

  /// Ends all connections to the engine.
  package func close() async { await client.close() }

  // MARK: Modules

  package func modules() async throws -> [ModuleObservation] {
    let filters: JSONValue = [
      "label": [.string("\(ContainerBody.ownerLabel)=\(ContainerBody.owner)")]
    ]
    let list = try await client.perform(
      EngineClient.Request(
        path: ["containers", "json"],
        query: [("all", "true"), ("filters", JSON.text(filters))],
        subject: "Listing modules"
      )
    )
    guard let list = list.arrayValue else {
      throw RuntimeFault(
        .failed,
        "Listing modules: the container engine at \(client.address) answered with no list."
      )
    }
    let ids = list.compactMap { $0["Id"]?.stringValue }
    return try await withThrowingTaskGroup(of: ModuleObservation?.self) { group in
      var rest = ids[...]
      var modules: [ModuleObservation] = []
      for id in rest.prefix(Self.inquiriesAtOnce) { group.addTask { try await observe(id) } }
      rest = rest.dropFirst(Self.inquiriesAtOnce)
      while let module = try await group.next() {
        if let module { modules.append(module) }
        if let id = rest.popFirst() { group.addTask { try await observe(id) } }
      }
      return modules.sorted { $0.name < $1.name }
    }
  }

  /// A container of the list, nil if it has gone meanwhile or is nobody's module.
  private func observe(_ id: String) async throws -> ModuleObservation? {
    do {
      return ModuleObservation(container: try await inspect(id))
    } catch let fault as RuntimeFault where fault.code == .notFound {
      return nil
    }
  }

  package func inspect(_ name: String) async throws -> JSONValue {
    try await client.perform(
      EngineClient.Request(path: ["containers", name, "json"], subject: "Looking at \(name)")
    )
  }

  package func create(_ name: String, _ body: ContainerBody) async throws {
    if body.object["NetworkingConfig"]?["EndpointsConfig"]?[networkID] != nil {
      try await makeNetwork()
    }
    try await client.perform(
      EngineClient.Request(
        method: .POST,
        path: ["containers", "create"],
        query: [("name", name)],
        body: .object(body.object),
        subject: "Creating the container \(name)"
      )
    )
  }

  private func makeNetwork() async throws {
    do {
      try await client.perform(
        EngineClient.Request(path: ["networks", networkID], subject: "Looking for the network")
      )
    } catch let fault as RuntimeFault where fault.code == .notFound {
      var body: JSONObject = ["CheckDuplicate": true, "Driver": "bridge"]
      for (key, value) in networkOptions { body[key] = value }
      body["Name"] = .string(networkID)
      do {
        try await client.perform(
          EngineClient.Request(
            method: .POST,
            path: ["networks", "create"],
            body: .object(body),
            subject: "Creating the network \(networkID)"
          )
        )
      } catch let fault as RuntimeFault where fault.code == .conflict {
        // Another module's creation was quicker.
      }
    }
  }

  /// Removes the network that modules join; none, or one that others are on, is left as it is.
  package func removeNetwork() async throws {
    do {
      try await client.perform(
        EngineClient.Request(
          method: .DELETE,
          path: ["networks", networkID],
          subject: "Removing the network \(networkID)"
        )
      )
    } catch let fault as RuntimeFault where [.notFound, .refused, .conflict].contains(fault.code) {
      return
    }
  }

  package func start(_ name: String) async throws {
    try await client.perform(
      EngineClient.Request(
        method: .POST,
        path: ["containers", name, "start"],
        subject: "Starting the container \(name)"
      )
    )
  }

  package func stop(_ name: String, within seconds: Int64) async throws {
    try await client.perform(
      EngineClient.Request(
        method: .POST,
        path: ["containers", name, "stop"],
        query: [("t", String(seconds))],
        subject: "Stopping the container \(name)",
        seconds: seconds + EngineClient.answerSeconds
      )
    )
  }

  package func remove(_ name: String) async throws {
    do {
      try await client.perform(
        EngineClient.Request(
          method: .DELETE,
          path: ["containers", name],
          query: [("force", "true"), ("v", "true")],
          subject: "Removing the container \(name)"
        )
      )
    } catch let fault as RuntimeFault where fault.code == .notFound {
      return
    }
  }

  package func platform() async throws -> RuntimePlatform {
    let answer = try await client.perform(
      EngineClient.Request(path: ["version"], subject: "Asking for its version")
    )
    let architecture = answer["Arch"]?.stringValue ?? "unknown"
    return RuntimePlatform(
      os: answer["Os"]?.stringValue ?? "linux",
      // As the vendor's runtime and the kernel call it, not as Go does.
      architecture: architecture == "amd64" ? "x86_64" : architecture,
      version: answer["Version"]?.stringValue ?? ""
    )
  }
}
