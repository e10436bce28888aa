import ByteIO
import CLinux
import EdgeEngine
import Glibc
import JSONTree
package import Logging
import Platform

/// Runs the processes of the edge: one thread, no network, a socket for its own user, no file but the
/// settings, of which it tells each process its part, the directories that it hands over, and the logs.
///
/// The smallest program of all, since nothing starts it again but the service manager.
package struct Supervisor {
  private let settings: EdgeSettings
  private let program: String
  private let environment: [String: String]
  private let logger: Logger

  /// What there is while it runs.
  private struct Running {
    var supervision: Supervision
    let users: EdgeUsers
    let logs: RoleLogs?
    var copies: RoleSettings
  }

  /// A supervisor; nothing is started before `run`.
  ///
  /// - Parameters:
  ///   - settings: Whose directories it makes.
  ///   - program: The path of the program that has a subcommand for each role.
  ///   - environment: The variables that the processes get.
  ///   - logger: One line for each event.
  package init(
    settings: EdgeSettings,
    program: String,
    environment: [String: String],
    logger: Logger
  ) {
    self.settings = settings
    self.program = program
    self.environment = environment
    self.logger = logger
  }

  /// Runs all roles until SIGTERM, SIGINT, SIGHUP or an order to stop, on this thread, which waits here.
  ///
  /// - Throws: `FileFault`, `SettingsFault`: what keeps it from making directories and its socket.
  package func run() throws {
    // Waited for, not handled: whatever threads there are do not see them.
    let signals = clinux_open_signals()
    guard signals >= 0 else { throw FileFault("open", "the signals of this process") }

    let users = EdgeUsers.find(logger)
    try users.makeDirectories(settings.paths)
    unlink(settings.paths.logLevel)
    let logs = try settings.logFolder.map { folder throws(FileFault) in
      try RoleLogs(folder: folder)
    }
    var control = try ControlSocket(
      path: settings.paths.supervisorSocket,
      agent: users[.agent]
    )
    defer { control.end() }
    var running = Running(
      supervision: Supervision(roles: EdgeRole.allCases, now: SystemClock.now()),
      users: users,
      logs: logs,
      copies: RoleSettings(file: settings.file, paths: settings.paths, users: users, logger)
    )
    var isReady = false
    while !running.supervision.isOver {
      let now = SystemClock.now()
      for action in running.supervision.wake(now: now) { perform(action, &running) }
      if !isReady {
        ServiceManager.notify("READY=1")
        isReady = true
      }
      // It looks once a minute, and whenever something has happened.
      ProgramCode.release()
      let deadlines = [running.supervision.nextDeadline, control.nextDeadline].compactMap { $0 }
      wait(for: [signals] + control.files, until: deadlines.min())
      logs?.rotate()
      while true {
        let number = clinux_next_signal(signals)
        guard number != 0 else { break }
        if number == SIGCHLD {
          reap(&running)
        } else {
          stop(&running)
        }
      }
      let agent = running.supervision.status(now: now).first { $0.role == .agent }
      control.serve(now: SystemClock.now(), agentProcess: agent?.processID) { line, isOwner in
        let order = SupervisorOrder(line)
        guard isOwner || order?.isForAgent != false else {
          return JSON.bytes(["error": "only root may order that"])
        }
        return JSON.bytes(obey(order, &running))
      }
    }
    running.copies.remove()
    unlink(settings.paths.supervisorSocket)
    unlink(settings.paths.logLevel)
  }

  private func stop(_ running: inout Running) {
    ServiceManager.notify("STOPPING=1")
    for action in running.supervision.stop(now: SystemClock.now()) {
      perform(action, &running)
    }
  }

  /// Does what came over the socket, and answers.
  private func obey(_ order: SupervisorOrder?, _ running: inout Running) -> JSONValue {
    let now = SystemClock.now()
    switch order {
    case .status:
      return [
        "pid": .int(Int64(getpid())), "version": .string(EdgeVersion.runtime.version),
        "settings": .string(settings.file),
        "logs": settings.logFolder.map { .string($0) } ?? .null,
        "processes": .array(running.supervision.status(now: now).map(\.json)),
      ]
    case .restart(let roles):
      let names = roles.map(\.rawValue).joined(separator: ", ")
      logger.notice("told to restart", metadata: ["processes": "\(names)"])
      for action in running.supervision.restart(roles, now: now) {
        perform(action, &running)
      }
      return [:]
    case .stop:
      logger.notice("told to stop")
      stop(&running)
      return [:]
    case .logLevel(let level):
      let path = settings.paths.logLevel
      if let level {
        do throws(FileFault) {
          try PrivateFile.replace(path, with: Array(level.utf8), mode: 0o644)
        } catch {
          return ["error": .string("\(error)")]
        }
      } else {
        unlink(path)
      }
      logger.notice("told to log from another level on", metadata: ["level": "\(level ?? "-")"])
      for id in running.supervision.running { Glibc.kill(id, SIGHUP) }
      return [:]
    case .hubVariables(nil):
      return ["variables": SupervisorOrder.json(running.copies.deployed)]
    case .hubVariables(let variables?):
      guard variables != running.copies.deployed else { return ["restarts": false] }
      if let reason = running.copies.deploy(variables) { return ["error": .string(reason)] }
      // Their values may be secrets.
      let names = variables.keys.sorted().joined(separator: ", ")
      logger.notice(
        "the deployment sets variables of the local hub, which restarts",
        metadata: ["names": "\(names)"]
      )
      for action in running.supervision.restart([.hub], now: now) { perform(action, &running) }
      return ["restarts": true]
    case nil: return ["error": "this is no order that the supervisor knows"]
    }
  }

  private func perform(_ action: Supervision.Action, _ running: inout Running) {
    switch action {
    case .start(let role):
      let reason = running.copies.write(role, logger)
      let id = reason == nil ? spawn(role, running.users, running.logs) : -1
      let failure = reason ?? String(cString: strerror(errno))
      let now = SystemClock.now()
      let actions =
        id > 0
        ? running.supervision.started(role, id, now: now)
        : running.supervision.failed(role, failure, now: now)
      for action in actions { perform(action, &running) }
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
  private func reap(_ running: inout Running) {
    var status: Int32 = 0
    while true {
      let id = waitpid(-1, &status, WNOHANG)
      guard id > 0 else { return }
      // The macros of wait(2), which are not imported.
      let signal = status & 0x7F
      let ending: Supervision.Ending =
        signal == 0 ? .exit((status >> 8) & 0xFF) : .signal(signal)
      for action in running.supervision.ended(id, ending, now: SystemClock.now()) {
        perform(action, &running)
      }
    }
  }

  /// Waits until one of the files can be read from, or the deadline is there.
  private func wait(for files: [Int32], until deadline: Instant?) {
    // Whatever happens, it looks once a minute; one more, so that it does not wake just before the time.
    let milliseconds = min(deadline?.milliseconds(since: SystemClock.now()) ?? 60_000, 60_000) + 1
    var entries = files.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    poll(&entries, nfds_t(entries.count), Int32(milliseconds))
  }

  private func spawn(_ role: EdgeRole, _ users: EdgeUsers, _ logs: RoleLogs?) -> Int32 {
    // No secrets: everybody can read them.
    let paths = settings.paths
    let words = [
      "--config", paths.settings(of: role), "--data", paths.data, "--run-dir", paths.run,
    ]
    let arguments = ([program, role.rawValue] + words).map { strdup($0) } + [nil]
    // The service manager hears of this process alone.
    let variables = environment.filter { $0.key != "NOTIFY_SOCKET" }
    let pairs = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    let output = logs?.open(role) ?? -1
    defer {
      for text in arguments + pairs { free(text) }
      if output >= 0 { close(output) }
    }
    guard let user = users[role] else {
      return clinux_spawn(program, arguments, pairs, nil, output)
    }
    return user.groups.withUnsafeBufferPointer { groups in
      var target = clinux_user(
        user: user.user,
        group: user.group,
        groups: groups.baseAddress,
        group_count: groups.count
      )
      return clinux_spawn(program, arguments, pairs, &target, output)
    }
  }
}
