import ByteIO
import Containers
import EdgeEngine
import HubContract
import JSONTree
import Logging
import Platform
import Synchronization

/// Answers the direct methods of `$edgeAgent` (edge contract section 3.8).
package final class AgentMethods: Sendable {
  /// Work that goes on after its method was answered.
  struct BackgroundTask: Sendable {
    enum Status: String, Sendable {
      case running = "Running", completed = "Completed", failed = "Failed"
    }

    var status: Status
    var message: String
  }

  private let agent: ModuleAgent
  private let identity: EdgeIdentity
  private let box: SupportBundle
  private let logs: ModuleLogs
  private let upload: BlobUpload
  private let metrics: AgentMetrics
  private let logger: Logger
  private let tasks = Mutex<[(id: String, task: BackgroundTask)]>([])
  private let work = AsyncStream.makeStream(
    of: (@Sendable () async -> Void).self,
    bufferingPolicy: .bufferingOldest(AgentMethods.taskLimit)
  )

  /// Tasks that are remembered, and that wait.
  private static let taskLimit = 100

  init(
    agent: ModuleAgent,
    identity: EdgeIdentity,
    box: SupportBundle,
    upload: BlobUpload,
    metrics: AgentMetrics,
    logger: Logger
  ) {
    self.agent = agent
    self.identity = identity
    self.box = box
    self.upload = upload
    self.metrics = metrics
    self.logger = logger
    logs = ModuleLogs(agent: agent, identity: identity)
  }

  /// Does what methods have begun, until it is cancelled.
  func run() async {
    await withDiscardingTaskGroup { group in
      for await piece in work.stream { group.addTask { await piece() } }
    }
  }

  /// Answers a call with a status and a payload.
  func answer(_ name: String, _ payload: JSONValue) async -> (Int, JSONValue) {
    metrics.called(AgentMethod.knownName(name))
    do {
      let method = try AgentMethod(name: name, payload: payload, now: ModuleAgent.now())
      return (200, try await perform(method))
    } catch let error as HubError {
      return (400, ["message": .string(error.message)])
    } catch let fault as RuntimeFault where fault.code == .notFound || fault.code == .refused {
      return (400, ["message": .string(fault.description)])
    } catch {
      return (500, ["message": .string("\(error)")])
    }
  }

  private func perform(_ method: AgentMethod) async throws -> JSONValue {
    switch method {
    case .ping: return .null
    case .restartModule(let id):
      try await agent.restart(id)
      return .null
    case .getModuleLogs(let items, let form): return try await getLogs(items, form)
    case .uploadModuleLogs(let items, let form, let url):
      let url = try resolved(url)
      return begin("Upload of logs") { [self] in
        for log in try await logs.gather(items, form) {
          try await upload.upload(
            log.bytes,
            .append,
            as: blob(log.module, form.fileExtension),
            to: url
          )
        }
      }
    case .uploadSupportBundle(let request):
      let url = try resolved(request.url)
      return begin("Upload of a support bundle") { [self] in
        let bundle = try await bundle(request.filter, edgeRuntimeOnly: request.edgeRuntimeOnly)
        try await upload.upload(bundle, .block, as: blob("support-bundle", "zip"), to: url)
      }
    case .getTaskStatus(let id):
      guard let found = tasks.withLock({ $0.first { $0.id == id } }) else {
        return Self.status(id, "Unknown", "There is no task of that correlation ID.")
      }
      return Self.status(id, found.task.status.rawValue, found.task.message)
    }
  }

  /// `url` with the parent's name for `$upstream` (edge contract section 2.5).
  private func resolved(_ url: String) throws(HubError) -> String {
    guard let url = Upstream.replaced(inURL: url, by: identity.parentHostName) else {
      throw HubError(.argumentInvalid, "sasUrl names $upstream, and this edge has no parent.")
    }
    return url
  }

  private func getLogs(
    _ items: [AgentMethod.LogItem],
    _ form: AgentMethod.LogForm
  ) async throws -> JSONValue {
    let found = try await logs.gather(items, form)
    let answer = JSONValue.array(
      found.map { log in
        form.isCompressed
          ? ["id": .string(log.module), "payloadBytes": .string(Base64.encode(log.bytes))]
          : [
            "id": .string(log.module),
            "payload": .string(String(decoding: log.bytes, as: UTF8.self)),
          ]
      }
    )
    let size = JSON.bytes(answer).count
    guard size <= AgentMethod.answerLimit else {
      throw RuntimeFault(
        .refused,
        "The logs have \(size) bytes, and an answer at most \(AgentMethod.answerLimit). Ask for less "
          + "with tail or since, or use UploadModuleLogs."
      )
    }
    return answer
  }

  // MARK: Tasks

  private func begin(
    _ title: String,
    _ body: @escaping @Sendable () async throws -> Void
  ) -> JSONValue {
    let id = Hex.encode(Entropy.bytes(16))
    tasks.withLock { tasks in
      tasks.append((id, BackgroundTask(status: .running, message: "")))
      if tasks.count > Self.taskLimit { tasks.removeFirst() }
    }
    work.continuation.yield { [self] in
      do {
        try await body()
        end(id, .completed, "")
      } catch {
        logger.error("\(title) failed", metadata: ["error": "\(error)"])
        end(id, .failed, "\(error)")
      }
    }
    return Self.status(id, BackgroundTask.Status.running.rawValue, "")
  }

  private func end(_ id: String, _ status: BackgroundTask.Status, _ message: String) {
    tasks.withLock { tasks in
      guard let index = tasks.firstIndex(where: { $0.id == id }) else { return }
      tasks[index].task = BackgroundTask(status: status, message: message)
    }
  }

  private static func status(_ id: String, _ status: String, _ message: String) -> JSONValue {
    ["status": .string(status), "message": .string(message), "correlationId": .string(id)]
  }

  /// The blob's name: `<hub>/<device>/<module>-yyyy-MM-dd--HH-mm-ss.<extension>`.
  private func blob(_ module: String, _ fileExtension: String) -> String {
    let time = ModuleAgent.now().iso8601
    let date = time.prefix(10)
    let clock = time.dropFirst(11).prefix(8).map { $0 == ":" ? "-" : $0 }
    return "\(identity.hubHostName)/\(identity.deviceID)/\(module)-\(date)--\(String(clock))"
      + ".\(fileExtension)"
  }

  /// What support wants to see, as a ZIP archive: logs and descriptions of modules, and, unless only
  /// those are wanted, of the box.
  func bundle(
    _ filter: LogFilter,
    edgeRuntimeOnly: Bool,
    modulesOnly: Bool = false
  ) async throws -> [UInt8] {
    var archive = ZipArchive()
    for module in try await agent.loggedModules()
    where !edgeRuntimeOnly || module == ModuleConfiguration.edgeHub {
      let log = try? await logs.text(of: module, filter, isJSON: false)
      archive.add("logs/\(module)_log.txt", Redaction.redact(log ?? []))
      if let facts = try? await agent.existing(module).inspect(module) {
        let text = Array(JSON.prettyText(Self.masked(facts)).utf8)
        archive.add("inspect/\(module).json", Redaction.redact(text))
      }
    }
    if !modulesOnly { await box.add(to: &archive, since: filter.since) }
    return archive.bytes
  }

  /// A description without the values of variables, which may be secrets.
  static func masked(_ value: JSONValue) -> JSONValue {
    if let object = value.objectValue {
      return .object(
        JSONObject(
          object.map { key, value in
            if key == "Env", let variables = value.arrayValue {
              let names = variables.map { variable in
                JSONValue.string("\(variable.stringValue?.prefix { $0 != "=" } ?? "")=***")
              }
              return (key: key, value: .array(names))
            }
            if key == "net.azure-devices.edge.env" { return (key: key, value: "***") }
            return (key: key, value: masked(value))
          }
        )
      )
    }
    return value.arrayValue.map { .array($0.map(masked)) } ?? value
  }
}
