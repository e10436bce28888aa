import Containers
import EdgeEngine
import HubContract
import JSONTree
import Platform

/// A machine as small as a test needs.
actor FakeRuntime: ModuleRuntime {
  private(set) var machine: [String: ModuleObservation] = [:]
  /// What was done, in order.
  private(set) var done: [String] = []
  /// What modules were made of, by name.
  private(set) var made: [String: String] = [:]
  /// Images that are here.
  var stored: Set<String> = []
  /// Why fetching fails; nil if it does not.
  var pullFault: String?
  /// Whether fetching takes for ever.
  var isPullHanging = false
  /// Why the machine cannot be read.
  var fault: RuntimeFault?

  func set(_ change: @Sendable (isolated FakeRuntime) -> Void) { change(self) }

  /// A module ends by itself.
  func end(_ name: String, code: Int64, at time: Timestamp) {
    machine[name]?.state = .exited(code)
    machine[name]?.lastExit = time
  }

  func modules() async throws -> [ModuleObservation] {
    if let fault { throw fault }
    return machine.values.sorted { $0.name < $1.name }
  }

  func pull(
    _ source: ImageSource,
    progress: @escaping @Sendable (PullProgress) -> Void
  ) async throws {
    done.append("pull \(source.reference)")
    while isPullHanging { try await Pause.sleep(for: .milliseconds(20)) }
    if let pullFault { throw RuntimeFault(.failed, pullFault) }
    let reference = source.reference
    stored.insert(
      reference.digest.map { reference.pinned(to: $0).description } ?? reference.description
    )
  }

  func image(_ name: String) async throws -> StoredImage? {
    try await images().first { $0.names.contains(name) || $0.id == name }
  }

  func create(_ name: String, _ body: ContainerBody) async throws {
    done.append("create \(name)")
    made[name] = body.object["Image"]?.stringValue
    var labels: [String: String] = [:]
    for (key, value) in body.object["Labels"]?.objectValue ?? [:] {
      labels[key] = value.stringValue
    }
    guard let origin = ContainerBody.origin(labels: labels) else {
      throw RuntimeFault(.refused, "no labels")
    }
    machine[name] = ModuleObservation(
      name: name,
      state: .created,
      image: origin.image,
      createOptions: origin.createOptions,
      environment: origin.environment
    )
  }

  func start(_ name: String) async throws {
    done.append("start \(name)")
    machine[name]?.state = .running
    machine[name]?.lastStart = Timestamp(ticks: SystemClock.wallTicks())
  }

  func stop(_ name: String, within seconds: Int64) async throws {
    done.append("stop \(name)")
    if machine[name]?.state == .running { machine[name]?.state = .exited(143) }
  }

  func remove(_ name: String) async throws {
    done.append("remove \(name)")
    machine[name] = nil
  }

  nonisolated func logs(
    of name: String,
    _ query: LogQuery,
    to sink: (LogChunk) async throws -> Void
  ) async throws {
    try await sink(LogChunk(.output, Array("hello\r\n<3> 2026-01-02 03:04:05.678 +00:00 bad".utf8)))
  }

  func usage(of name: String) async throws -> ModuleUsage { ModuleUsage() }

  func inspect(_ name: String) async throws -> JSONValue {
    ["Config": ["Env": ["KEY=secret"], "Labels": ["net.azure-devices.edge.env": "secret"]]]
  }

  /// The digest at which the registry has an image, by the image's name; none for what no registry has.
  var digests: [String: String] = [:]

  func images() async throws -> [StoredImage] {
    stored.sorted().map { name in
      let digest = digests[name].flatMap { ImageReference(name)?.pinned(to: $0).description }
      return StoredImage(
        id: "sha256:\(name)",
        names: [name] + (digest.map { [$0] } ?? []),
        byteCount: 1
      )
    }
  }

  func removeImage(_ id: String) async throws {
    done.append("remove image \(id)")
    stored = stored.filter { "sha256:\($0)" != id }
  }

  func platform() async throws -> RuntimePlatform {
    RuntimePlatform(os: "linux", architecture: "x86_64", version: "1")
  }
}
