import Containers
import EdgeService
import Endpoints
import JSONTree
import Platform
import Synchronization

/// A machine as checks see it, made up.
struct FakeBox: CheckPorts {
  var variables: [String: String] = [:]
  var ownAddresses = ["127.0.0.1", "10.0.0.5"]
  var time: Int64 = 2_000_000_000
  var files: [String: [UInt8]] = [:]
  /// Files that this user may not read.
  var closedFiles: Set<String> = []
  var changes: [String: Int64] = [:]
  var fileSystems: [String: String] = [:]
  var environments: [Int64: [String: String]] = [:]
  /// Nil where nobody supervises.
  var status: JSONValue?
  var mayAskSupervisor = true
  /// Answers of sockets, by `<socket> <path>`.
  var answers: [String: JSONValue] = [:]
  var hosts: [String: [String]] = [:]
  /// Nil where the time server does not answer.
  var clockError: Double?
  /// Where nobody can connect to, and why.
  var closed: [Int: String] = [:]
  var engineAnswers: [String: JSONValue] = [:]
  var trialCode: Int64 = 0
  /// Whether the time server never answers.
  var hangs = false
  let asked = Asked()

  /// What was connected to.
  final class Asked: Sendable {
    let places = Mutex<[CheckPlace]>([])
  }

  func now() -> Int64 { time }

  func read(_ path: String) throws(FileFault) -> [UInt8] {
    if closedFiles.contains(path) { throw FileFault("open", path, 13) }
    guard let bytes = files[path] else { throw FileFault("open", path, 2) }
    return bytes
  }

  func changed(_ path: String) -> Int64? { changes[path] }
  func fileSystem(_ path: String) -> String? { fileSystems[path] }
  func variables(of processID: Int64) -> [String: String]? { environments[processID] }

  func supervisor() throws(SupervisorClient.Failure) -> JSONValue {
    guard let status else {
      throw SupervisorClient.Failure(
        description: "no supervisor",
        remedy: "start it",
        isForbidden: !mayAskSupervisor
      )
    }
    return status
  }

  func ask(
    _ socket: String,
    _ path: [String]
  ) async throws(LocalClient.Failure) -> JSONValue {
    guard let answer = answers["\(socket) \(path.joined(separator: "/"))"] else {
      throw LocalClient.Failure(status: nil, "\(socket) does not answer")
    }
    return answer
  }

  func addresses(of host: String) async throws(CheckFault) -> [String] {
    guard let found = hosts[host] else { throw CheckFault("no such name") }
    return found
  }

  func clockError(_ server: String) async throws(CheckFault) -> Double {
    if hangs {
      // Nothing ends it: a system call that nobody can call off.
      await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
    }
    guard let clockError else { throw CheckFault("no answer within 5 s") }
    return clockError
  }

  func connect(_ place: CheckPlace, _ settings: EdgeSettings) async throws(CheckFault) {
    asked.places.withLock { $0.append(place) }
    if let reason = closed[place.port] { throw CheckFault(reason) }
  }

  func engine(
    _ question: DockerRuntime.Question,
    _ settings: EdgeSettings
  ) async throws(RuntimeFault) -> JSONValue {
    guard let answer = engineAnswers["\(question)"] else {
      throw RuntimeFault(.unreachable, "no container engine answers.")
    }
    return answer
  }

  func trial(
    _ trial: DockerRuntime.Trial,
    _ settings: EdgeSettings
  ) async throws(RuntimeFault) -> (code: Int64, output: String) {
    (trialCode, trial.words.joined(separator: " "))
  }
}
