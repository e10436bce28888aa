import CLinux
import Glibc
import NIOPosix
import Platform

/// A program that runs beside the command: what it says goes to a file, and it ends with the command.
final class ChildProcess: Sendable {
  /// What it is called in messages.
  let name: String
  /// Where its words go.
  let log: String
  private let id: pid_t

  /// Starts a program in a session of its own, so that Ctrl-C reaches the command alone, which then
  /// ends everything in order.
  ///
  /// On a thread that stays: the kernel ends the program with the thread that has started it.
  init(
    _ name: String,
    _ words: [String],
    log: String,
    environment: [String: String]
  ) async throws {
    self.name = name
    self.log = log
    let shell = [
      "/bin/sh", "-c", "exec setsid \"$0\" \"$@\" </dev/null >>\"$EDGE_DEV_LOG\" 2>&1",
    ]
    var variables = environment
    variables["EDGE_DEV_LOG"] = log
    let pairs = variables.map { "\($0.key)=\($0.value)" }
    id = try await NIOThreadPool.singleton.runIfActive {
      let arguments = (shell + words).map { strdup($0) } + [nil]
      let environment = pairs.map { strdup($0) } + [nil]
      defer { for text in arguments + environment { free(text) } }
      return clinux_spawn("/bin/sh", arguments, environment, nil, -1)
    }
    guard id > 0 else {
      throw CommandFailure(.failure, "starting \(name): \(FileFault("run", words.first ?? ""))")
    }
  }

  /// Whether it has ended.
  var isOver: Bool {
    // Collected by `stop` alone, so that the number stays its own.
    var information = siginfo_t()
    guard waitid(P_PID, id_t(id), &information, WEXITED | WNOHANG | WNOWAIT) == 0 else {
      return true
    }
    return information.si_signo == SIGCHLD
  }

  /// The last lines that it wrote, for a message.
  var lastWords: String {
    let text = (try? PrivateFile.read(log)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    return text.split(separator: "\n").suffix(15).map { "  \(Cell.visible(String($0)))" }
      .joined(separator: "\n")
  }

  /// A failure that has its last words.
  func failure(_ what: String) -> CommandFailure {
    CommandFailure(.failure, "\(name) \(what); it said:\n\(lastWords)")
  }

  /// Asks it to end, ends it by force after `seconds`, and returns when it is over.
  ///
  /// It blocks, because a task that was cancelled cannot sleep, and nothing else is left to do.
  func stop(seconds: Int) {
    kill(id, SIGTERM)
    var turn = 0
    var status: Int32 = 0
    while waitpid(id, &status, WNOHANG) == 0 {
      turn += 1
      if turn == seconds * 20 { kill(id, SIGKILL) }
      usleep(50_000)
    }
  }
}
