import ArgumentParser
import Glibc
import HubContract
import JSONTree
import OperatorCommands
import Platform
import Synchronization

/// The root that the tests run command lines on, as the program's own.
struct TestRoot: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "orrery",
    subcommands: OperatorCommands.all
  )
}

/// What a command did: its status, what it wrote, what it asked the hub.
struct CommandOutcome {
  let status: CommandStatus
  let output: String
  let errors: String
  let requests: [HubRequest]

  /// The body of the only request, as JSON.
  var body: JSONValue? { requests.last?.body.flatMap { try? JSON.parse($0) } }
}

/// A hub that answers what the test wrote down, and remembers what it was asked.
final class ScriptedHub: HubTransport {
  private struct State {
    var answers: [HubResponse]
    var requests: [HubRequest] = []
    var tokens: [String] = []
    var isClosed = false
  }

  private let state: Mutex<State>

  /// A hub that gives `answers` in this order, and the last one for ever.
  init(_ answers: [HubResponse]) { state = Mutex(State(answers: answers)) }

  var requests: [HubRequest] { state.withLock { $0.requests } }
  var tokens: [String] { state.withLock { $0.tokens } }
  var isClosed: Bool { state.withLock { $0.isClosed } }

  func send(_ request: HubRequest, authorization: String) async throws -> HubResponse {
    let answer = state.withLock { state in
      state.requests.append(request)
      state.tokens.append(authorization)
      return state.answers.count > 1 ? state.answers.removeFirst() : state.answers.first
    }
    guard let answer else { throw CommandFailure(.unreachable, "no hub") }
    return answer
  }

  func download(
    _ request: HubRequest,
    authorization: String,
    to sink: ([UInt8]) throws -> Void
  ) async throws -> HubResponse {
    let answer = try await send(request, authorization: authorization)
    if answer.isSuccess { try sink(answer.body) }
    return answer
  }

  func fetch(_ url: String) async throws -> HubResponse {
    throw CommandFailure(.unreachable, "no listener for operators")
  }

  func close() async { state.withLock { $0.isClosed = true } }
}

/// Runs command lines in a world that the test makes.
struct CommandHarness {
  var environment = [
    "ORRERY_CONNECTION_STRING":
      "HostName=hub.example;SharedAccessKeyName=iothubowner;SharedAccessKey=\(Self.key)"
  ]
  var files: [String: String] = [:]
  var input: [String] = []
  var isTerminal = false
  var answers: [HubResponse] = [.json([:])]

  static let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
  static let otherKey = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
  static let now = Timestamp(seconds: 1_767_323_045)

  /// A harness whose hub gives `answers` in this order.
  init(_ answers: HubResponse...) {
    if !answers.isEmpty { self.answers = answers }
  }

  func run(_ arguments: String...) async -> CommandOutcome {
    await run(arguments)
  }

  func run(_ arguments: [String]) async -> CommandOutcome {
    let output = Mutex("")
    let errors = Mutex("")
    let hub = ScriptedHub(answers)
    let status = await withConsole(hub, output, errors) {
      await CommandRunner.run(TestRoot.self, arguments)
    }
    return CommandOutcome(
      status: status,
      output: output.withLock { $0 },
      errors: errors.withLock { $0 },
      requests: hub.requests
    )
  }

  /// The connection that `resolver` finds in this world.
  func resolve(_ resolver: ConnectionResolver) async -> Result<HubConnection, CommandFailure> {
    let output = Mutex("")
    let errors = Mutex("")
    return await withConsole(ScriptedHub(answers), output, errors) {
      Result { () throws(CommandFailure) in try resolver.resolve() }
    }
  }

  private func withConsole<Value: Sendable>(
    _ hub: ScriptedHub,
    _ output: borrowing Mutex<String>,
    _ errors: borrowing Mutex<String>,
    _ body: () async -> Value
  ) async -> Value {
    let written = Lines()
    let complained = Lines()
    let lines = Queue(input)
    let files = files
    let console = Console(
      environment: environment,
      isOutputTerminal: isTerminal,
      isErrorTerminal: false,
      isInputTerminal: isTerminal,
      width: 80,
      writeOutput: { written.add($0) },
      writeError: { complained.add($0) },
      readInput: { Array(lines.all().joined(separator: "\n").utf8) },
      readLine: { lines.next() },
      readFile: { path in
        guard let text = files[path] else { throw FileFault("open", path, ENOENT) }
        return Array(text.utf8)
      },
      transport: { _ in hub },
      now: { Self.now }
    )
    let value = await Console.$current.withValue(console, operation: body)
    output.withLock { $0 = written.text }
    errors.withLock { $0 = complained.text }
    return value
  }
}

/// Text that comes from several tasks.
final class Lines: Sendable {
  private let content = Mutex("")
  func add(_ text: String) { content.withLock { $0 += text } }
  var text: String { content.withLock { $0 } }
}

/// Lines of input.
final class Queue: Sendable {
  private let lines: Mutex<[String]>
  init(_ lines: [String]) { self.lines = Mutex(lines) }
  func next() -> String? { lines.withLock { $0.isEmpty ? nil : $0.removeFirst() } }
  func all() -> [String] {
    lines.withLock { lines in
      defer { lines = [] }
      return lines
    }
  }
}

extension HubResponse {
  /// An answer with a JSON body.
  static func json(
    _ value: JSONValue,
    status: Int = 200,
    headers: [(name: String, value: String)] = []
  ) -> HubResponse {
    HubResponse(status: status, headers: headers, body: JSON.bytes(value))
  }

  /// A refusal in the shape of `shape`, as the hub writes it.
  static func refusal(
    _ code: HubErrorCode,
    _ message: String,
    _ shape: HubErrorShape = .registry
  )
    -> HubResponse
  {
    let body = HubError(code, message).body(shape, trackingID: "0", time: CommandHarness.now)
    return .json(
      body,
      status: code.httpStatus,
      headers: [(name: HubErrorCode.headerName, value: code.name)]
    )
  }

  /// A device as the registry tells it.
  static func device(_ more: JSONObject = [:]) -> HubResponse {
    var device: JSONObject = [
      "deviceId": "d1", "etag": "MQ==", "status": "enabled", "connectionState": "Disconnected",
      "lastActivityTime": "0001-01-01T00:00:00Z",
      "authentication": [
        "type": "sas",
        "symmetricKey": [
          "primaryKey": .string(CommandHarness.key),
          "secondaryKey": .string(CommandHarness.otherKey),
        ],
      ],
    ]
    for member in more { device[member.key] = member.value }
    return .json(.object(device))
  }
}
