import ByteIO
import CLinux
import Glibc
package import Logging
import Platform

/// Runs the processes of the edge: one thread, no network, no file but the directories that it hands
/// over.
///
/// The smallest program of all, since nothing starts it again but the service manager.
package struct Supervisor {
  private let settings: EdgeSettings
  private let program: String
  private let words: [String]
  private let environment: [String: String]
  private let logger: Logger

  /// A supervisor; nothing is started before `run`.
  ///
  /// - Parameters:
  ///   - settings: Whose directories it makes.
  ///   - program: The path of the program that has a subcommand for each role.
  ///   - words: What follows the subcommand; no secrets, since everybody can read them.
  ///   - environment: The variables that the processes get.
  ///   - logger: One line for each event.
  package init(
    settings: EdgeSettings,
    program: String,
    words: [String],
    environment: [String: String],
    logger: Logger
  ) {
    self.settings = settings
    self.program = program
    self.words = words
    self.environment = environment
    self.logger = logger
  }

  /// Runs all roles until SIGTERM or SIGINT, on this thread, which waits here.
  ///
  /// - Throws: `FileFault`, `SettingsFault`: what keeps it from making the directories.
  package func run() throws {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGTERM, SIGINT, SIGCHLD] { sigaddset(&signals, number) }
    // Waited for, not handled: whatever threads there are do not see them.
    pthread_sigmask(SIG_BLOCK, &signals, nil)

    let users = EdgeUsers.find(logger)
    try users.makeDirectories(settings.paths)
    var supervision = Supervision(roles: EdgeRole.allCases, now: SystemClock.now())
    var isReady = false
    while !supervision.isOver {
      let now = SystemClock.now()
      for action in supervision.wake(now: now) { perform(action, &supervision, users) }
      if !isReady {
        ServiceManager.notify("READY=1")
        ProgramCode.release()
        isReady = true
      }
      switch wait(for: signals, until: supervision.nextDeadline) {
      case SIGTERM, SIGINT:
        ServiceManager.notify("STOPPING=1")
        for action in supervision.stop(now: SystemClock.now()) {
          perform(action, &supervision, users)
        }
      default: reap(&supervision, users)
      }
    }
  }

  private func perform(
    _ action: Supervision.Action,
    _ supervision: inout Supervision,
    _ users: EdgeUsers
  ) {
    switch action {
    case .start(let role):
      let id = spawn(role, users)
      let reason = String(cString: strerror(errno))
      let now = SystemClock.now()
      let actions =
        id > 0
        ? supervision.started(role, id, now: now) : supervision.failed(role, reason, now: now)
      for action in actions { perform(action, &supervision, users) }
    case .stop(let id): Glibc.kill(id, SIGTERM)
    case .kill(let id): Glibc.kill(id, SIGKILL)
    case .tell(let event):
      switch event {
      case .started, .stopping, .stopped: logger.notice("\(event)")
      case .failed, .ended, .reprovisioned, .killed: logger.error("\(event)")
      }
    }
  }

  /// Collects every process that has ended, those of others that became ours too.
  private func reap(_ supervision: inout Supervision, _ users: EdgeUsers) {
    var status: Int32 = 0
    while true {
      let id = waitpid(-1, &status, WNOHANG)
      guard id > 0 else { return }
      // The macros of wait(2), which are not imported.
      let signal = status & 0x7F
      let ending: Supervision.Ending =
        signal == 0 ? .exit((status >> 8) & 0xFF) : .signal(signal)
      for action in supervision.ended(id, ending, now: SystemClock.now()) {
        perform(action, &supervision, users)
      }
    }
  }

  /// The next signal, or 0 when the deadline is there.
  private func wait(for signals: sigset_t, until deadline: Instant?) -> Int32 {
    var signals = signals
    // Whatever happens, it looks once a minute.
    let milliseconds = min(deadline?.milliseconds(since: SystemClock.now()) ?? 60_000, 60_000)
    // One more, so that it does not wake just before the time.
    var time = timespec(
      tv_sec: Int((milliseconds + 1) / 1_000),
      tv_nsec: Int((milliseconds + 1) % 1_000) * 1_000_000
    )
    let number = sigtimedwait(&signals, nil, &time)
    return max(number, 0)
  }

  private func spawn(_ role: EdgeRole, _ users: EdgeUsers) -> Int32 {
    let arguments = ([program, role.rawValue] + words).map { strdup($0) } + [nil]
    // The service manager hears of this process alone.
    let variables = environment.filter { $0.key != "NOTIFY_SOCKET" }
    let pairs = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in arguments + pairs { free(text) } }
    guard let user = users[role] else { return clinux_spawn(program, arguments, pairs, nil) }
    return user.groups.withUnsafeBufferPointer { groups in
      var target = clinux_user(
        user: user.user,
        group: user.group,
        groups: groups.baseAddress,
        group_count: groups.count
      )
      return clinux_spawn(program, arguments, pairs, &target)
    }
  }
}
