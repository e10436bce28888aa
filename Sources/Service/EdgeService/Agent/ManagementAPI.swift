import Containers
import EdgeEngine
import Endpoints
import Glibc
import HTTPTypes
import HubContract
import JSONTree
import Platform

/// The management API of the box (edge contract section 4.6): modules, logs and the machine; what is
/// about identities is passed on to the keys process.
///
/// Modules are made and removed by deployments alone, so the calls for that are refused.
struct ManagementAPI: Sendable {
  let agent: ModuleAgent
  let methods: AgentMethods
  let identities: IdentityClient
  let settings: EdgeSettings
  let version: RuntimeVersion
  /// When the agent began.
  let start: Timestamp

  /// Answers a request.
  ///
  /// - Throws: `LocalRefusal`.
  func respond(to request: LocalRequest) async throws -> LocalAnswer {
    do {
      return try await route(request)
    } catch let fault as RuntimeFault {
      switch fault.code {
      case .notFound: throw LocalRefusal(.notFound, fault.description)
      case .refused, .conflict: throw LocalRefusal(.conflict, fault.description)
      case .unreachable, .timedOut: throw LocalRefusal(.serviceUnavailable, fault.description)
      case .failed: throw LocalRefusal(.internalServerError, fault.description)
      }
    }
  }

  private func route(_ request: LocalRequest) async throws -> LocalAnswer {
    let path = request.path
    switch (request.method, path.first, path.count) {
    case (.get, "modules", 1):
      return LocalAnswer(
        .ok,
        ["modules": .array(try await agent.modules().map { .object(Self.details($0)) })]
      )
    case (.get, "modules", 2):
      return LocalAnswer(.ok, .object(Self.details(try await find(path[1]))))
    case (.post, "modules", 3): return try await act(path[2], path[1])
    case (.get, "modules", 3) where path[2] == "logs":
      return try await logs(of: path[1], request.target.query)
    case (.post, "modules", 1), (.put, "modules", 2), (.delete, "modules", 2):
      throw LocalRefusal(
        .methodNotAllowed,
        "modules are made and removed by deployments; change the deployment"
      )
    case (.get, "systeminfo", 1): return LocalAnswer(.ok, .object(systemInfo()))
    case (.get, "systeminfo", 2) where path[1] == "resources":
      return LocalAnswer(.ok, .object(await resources()))
    case (.get, "systeminfo", 2) where path[1] == "supportbundle":
      return try await supportBundle(request.target.query)
    case (_, "identities", _), (.post, "device", 2):
      return try await forward(request)
    default:
      throw LocalRefusal(.notFound, "there is no \(request.method) /\(path.joined(separator: "/"))")
    }
  }

  private func forward(_ request: LocalRequest) async throws -> LocalAnswer {
    // The vendor's form of the list has a slash at its end.
    let path = request.path.filter { !$0.isEmpty }
    let body = request.body.isEmpty ? nil : JSONValue.object(try request.object())
    do {
      let answer = try await identities.forward(request.method.rawValue, path, body: body)
      return answer.isNull ? LocalAnswer(.noContent) : LocalAnswer(.ok, answer)
    } catch {
      throw LocalRefusal(
        HTTPResponse.Status(code: error.status ?? 503),
        error.description
      )
    }
  }

  // MARK: Modules

  private func find(_ name: String) async throws -> ModuleListing {
    guard let found = try await agent.modules().first(where: { $0.module.name == name }) else {
      throw LocalRefusal(.notFound, "there is no module \(name)")
    }
    return found
  }

  private func act(_ verb: String, _ name: String) async throws -> LocalAnswer {
    switch verb {
    case "restart": try await agent.restart(name)
    case "start": try await agent.set(name, running: true)
    case "stop": try await agent.set(name, running: false)
    case "prepareupdate":
      throw LocalRefusal(.methodNotAllowed, "images are fetched by deployments")
    default: throw LocalRefusal(.notFound, "there is no such action: \(verb)")
    }
    return LocalAnswer(.noContent)
  }

  /// A module as the API shows it.
  static func details(_ listing: ModuleListing) -> JSONObject {
    let module = listing.module
    let environment = module.environment.sorted { $0.key < $1.key }.map { variable in
      ["key": .string(variable.key), "value": .string(variable.value)] as JSONValue
    }
    var settings: JSONObject = ["image": .string(module.image)]
    settings["imageHash"] = module.imageHash.isEmpty ? nil : .string(module.imageHash)
    settings["createOptions"] = .object(module.createOptions.object)
    var status: JSONObject = [
      "runtimeStatus": [
        "status": .string(listing.status.rawValue),
        "description": .string(description(listing)),
      ]
    ]
    if let start = module.lastStart { status["startTime"] = .string(start.iso8601) }
    if case .exited(let code) = module.state {
      status["exitStatus"] = [
        "exitTime": .string((module.lastExit ?? .never).iso8601), "statusCode": .string("\(code)"),
      ]
    }
    return [
      "id": .string(module.name), "name": .string(module.name),
      "type": .string(listing.kind.rawValue),
      "config": ["settings": .object(settings), "env": .array(environment)],
      "status": .object(status),
    ]
  }

  private static func description(_ listing: ModuleListing) -> String {
    let module = listing.module
    switch module.state {
    case .running, .unhealthy:
      return module.lastStart.map { "\(module.statusDescription) since \($0.iso8601)" }
        ?? module.statusDescription
    case .exited:
      return module.lastExit.map { "\(module.statusDescription), at \($0.iso8601)" }
        ?? module.statusDescription
    case .created, .dead, .unknown: return module.statusDescription
    }
  }

  /// A time of the query, nil where there is none.
  private static func time(
    _ key: String,
    _ query: [String: String],
    _ now: Timestamp
  ) throws(LocalRefusal) -> Timestamp? {
    guard let text = query[key], !text.isEmpty else { return nil }
    guard let time = LogTime.parse(text, now: now) else {
      throw LocalRefusal(
        .badRequest,
        "\(key) must be a time, seconds since 1970 or a span like \"2 days\", not \"\(text)\""
      )
    }
    return time
  }

  private func logs(of name: String, _ query: [String: String]) async throws -> LocalAnswer {
    let now = ModuleAgent.now()
    var wanted = LogQuery(
      since: try Self.time("since", query, now),
      until: try Self.time("until", query, now),
      follow: query["follow"] == "true",
      timestamps: query["timestamps"] == "true"
    )
    if let tail = query["tail"], tail != "all" {
      guard let count = Int(tail), count >= 0 else {
        throw LocalRefusal(.badRequest, "tail must be a number or \"all\", not \"\(tail)\"")
      }
      wanted.tail = count
    }
    let runtime = try await agent.existing(name)
    let asked = wanted
    return LocalAnswer(type: "text/plain") { part in
      try await runtime.logs(of: name, asked) { try await part($0.frame) }
    }
  }

  // MARK: The machine

  private func systemInfo() -> JSONObject {
    var names = utsname()
    uname(&names)
    func text(_ field: some Any) -> String {
      withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
    let release = (try? PrivateFile.read("/etc/os-release")).map {
      String(decoding: $0, as: UTF8.self)
    }
    let name = release?.split(separator: "\n").first { $0.hasPrefix("PRETTY_NAME=") }
      .map { $0.dropFirst(12).filter { $0 != "\"" } }
    return [
      "osType": .string(text(names.sysname).lowercased()),
      "architecture": .string(text(names.machine)), "version": .string(version.version),
      "provisioning": [
        "type": .string(provisioningType),
        "dynamicReprovisioning": .bool(settings.reprovisioning == .dynamic),
        "alwaysReprovisionOnStartup": .bool(settings.reprovisioning == .alwaysOnStartup),
      ],
      "server_version": .string(version.version), "kernel_version": .string(text(names.release)),
      "operating_system": .string(name ?? ""), "cpus": .int(Int64(Machine.usableProcessors)),
      "total_memory": .int(HostUsage.read().totalMemoryBytes), "virtualized": "unknown",
    ]
  }

  private var provisioningType: String {
    if case .service = settings.provisioning { "dps" } else { "manual" }
  }

  private func resources() async -> JSONObject {
    let host = HostUsage.read()
    var disk = statvfs()
    statvfs(settings.paths.data, &disk)
    let unit = Int64(clamping: disk.f_frsize)
    return [
      "host_uptime": .int(Int64(HostUsage.uptime())),
      "process_uptime": .int(ModuleAgent.now().seconds - start.seconds),
      "used_ram": .int(host.usage.memoryBytes ?? 0), "total_ram": .int(host.totalMemoryBytes),
      "disks": [
        [
          "name": .string(settings.paths.data),
          "available_space": .int(
            Int64(clamping: disk.f_bavail).multipliedReportingOverflow(by: unit).partialValue
          ),
          "total_space": .int(
            Int64(clamping: disk.f_blocks).multipliedReportingOverflow(by: unit).partialValue
          ),
        ]
      ],
    ]
  }

  private func supportBundle(_ query: [String: String]) async throws -> LocalAnswer {
    let now = ModuleAgent.now()
    var filter = LogFilter()
    filter.since = try Self.time("since", query, now)
    filter.until = try Self.time("until", query, now)
    let bundle = try await methods.bundle(
      filter,
      edgeRuntimeOnly: query["edge_runtime_only"] == "true",
      modulesOnly: query["parts"] == "modules"
    )
    return LocalAnswer(type: "application/zip") { try await $0(bundle) }
  }
}
