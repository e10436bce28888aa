import CLinux
import Glibc
import HubContract
import JSONTree
import Platform

/// What a shim stays with: how a module is begun, signalled, and cleaned up after.
protocol ShimTask {
  /// What asks it to end.
  var stopSignal: Int32 { get }
  var log: LogLimits { get }

  /// Begins the module, whose output goes to these files; its process is a child of the caller, or
  /// becomes one.
  func begin(output: Int32, error: Int32) throws -> pid_t

  /// Sends a signal to the module.
  func signal(_ pid: pid_t, _ number: Int32)

  /// The module's process has ended: what it started ends with it.
  func sweep(_ pid: pid_t)

  /// The run is over, or could not begin.
  func cleanUp()
}

/// The process that stays with one module: starts it, writes its log, and notes how it ended.
///
/// It is also the parent of whatever the module leaves to it, and lets the kernel forget that.
///
/// It is no child to watch over: whoever started it may end, and finds the module again by the lock
/// that the shim holds in the module's folder as long as it lives. SIGTERM asks the module to end;
/// SIGUSR1 ends it, with all that it started.
enum ModuleShim {
  /// What a signal's handler may touch: the pipe's end, written once before there is a handler.
  nonisolated(unsafe) private static var signalPipe: Int32 = -1

  /// Runs the module of a folder once, and returns when it is over.
  ///
  /// - Parameters:
  ///   - path: the module's folder.
  ///   - number: which run this is.
  ///   - make: what the module is.
  /// - Returns: the exit status of the shim itself; the module's is in the folder.
  static func run(
    folder path: String,
    number: Int64,
    _ make: (ModuleFolder) throws -> any ShimTask
  ) -> Int32 {
    let folder = ModuleFolder(path)
    guard lock(folder) else { return 3 }
    var run = ModuleRun(number: number, start: now())
    do {
      try watch(folder, try make(folder), &run)
    } catch {
      run.fault = "\(error)"
      run.exitCode = 127
      run.end = now()
    }
    do {
      try PrivateFile.replace(folder.statePath, with: JSON.bytes(run.json))
    } catch {
      Self.complain("\(error)")
      return 1
    }
    return 0
  }

  private static func now() -> Timestamp { Timestamp(ticks: SystemClock.wallTicks()) }

  private static func complain(_ text: String) {
    _ = "orrery-edge module shim: \(text)\n".withCString { write(2, $0, strlen($0)) }
  }

  /// Takes the lock, which ends with this process.
  private static func lock(_ folder: ModuleFolder) -> Bool {
    let file = open(folder.lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard file >= 0 else {
      complain("\(FileFault("open", folder.lockPath))")
      return false
    }
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    lock.l_whence = Int16(SEEK_SET)
    // Held already: the module runs.
    return fcntl(file, F_SETLK, &lock) == 0
  }

  private static func watch(
    _ folder: ModuleFolder,
    _ task: any ShimTask,
    _ run: inout ModuleRun
  ) throws {
    let signals = try pipe(folder)
    signalPipe = signals.write
    // In a handler nothing is allowed but such a write.
    for number in [SIGCHLD, SIGTERM, SIGUSR1] {
      signal(number) { number in
        var byte = UInt8(truncatingIfNeeded: number)
        _ = write(ModuleShim.signalPipe, &byte, 1)
      }
    }
    signal(SIGPIPE, SIG_IGN)
    signal(SIGHUP, SIG_IGN)
    signal(SIGINT, SIG_IGN)

    let (output, error) = (try pipe(folder), try pipe(folder))
    defer { for file in [output.read, error.read] { close(file) } }
    do {
      defer { for file in [output.write, error.write] { close(file) } }
      run.pid = try task.begin(output: output.write, error: error.write)
    } catch {
      task.cleanUp()
      throw error
    }
    try PrivateFile.replace(folder.statePath, with: JSON.bytes(run.json))

    var log = LogWriter(folder.logPath, task.log)
    var sources: [(file: Int32, stream: LogChunk.Stream)] = [
      (output.read, .output), (error.read, .error),
    ]
    var status: Int32?
    // What the module left in the pipes is read for this long after its end, in milliseconds.
    var patience = 20
    while status == nil || (!sources.isEmpty && patience > 0) {
      var polled = (sources.map(\.file) + [signals.read]).map {
        pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
      }
      if status != nil { patience -= 1 }
      let count = poll(&polled, nfds_t(polled.count), status == nil ? -1 : 50)
      guard count > 0 else { continue }
      for (source, entry) in zip(sources, polled) where entry.revents != 0 {
        if !copy(source.file, source.stream, &log) {
          sources.removeAll { $0.file == source.file }
        }
      }
      if polled.last?.revents != 0 { heed(signals.read, run.pid, task, &status) }
    }
    log.finish(now())
    run.exitCode = status.map(code)
    run.end = now()
    task.cleanUp()
  }

  /// Acts on the signals that came.
  private static func heed(
    _ pipe: Int32,
    _ pid: pid_t,
    _ task: any ShimTask,
    _ status: inout Int32?
  ) {
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = read(pipe, &bytes, bytes.count)
    for byte in bytes.prefix(max(count, 0)) {
      switch Int32(byte) {
      case SIGTERM where status == nil: task.signal(pid, task.stopSignal)
      case SIGUSR1 where status == nil: task.signal(pid, SIGKILL)
      case SIGCHLD:
        // All that have ended: what the module's processes leave behind may have become this one's,
        // and would stay for as long as the module runs.
        var ended: Int32 = 0
        while case let child = waitpid(-1, &ended, WNOHANG), child > 0 {
          guard child == pid, status == nil else { continue }
          status = ended
          task.sweep(pid)
        }
      default: break
      }
    }
  }

  /// Takes what there is to read; false at the end.
  private static func copy(
    _ file: Int32,
    _ stream: LogChunk.Stream,
    _ log: inout LogWriter
  ) -> Bool {
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    let count = read(file, &bytes, bytes.count)
    if count < 0 { return errno == EINTR || errno == EAGAIN }
    guard count > 0 else { return false }
    log.write(stream, bytes[..<count], now())
    return true
  }

  static func pipe(_ folder: ModuleFolder) throws(FileFault) -> (read: Int32, write: Int32) {
    var files: [Int32] = [-1, -1]
    guard clinux_pipe(&files) == 0 else { throw FileFault("make a pipe for", folder.path) }
    return (files[0], files[1])
  }

  /// The exit code as container engines tell it: that of the program, or 128 and the signal.
  private static func code(_ status: Int32) -> Int64 {
    let signal = status & 0x7F
    return signal == 0 ? Int64(status >> 8 & 0xFF) : 128 + Int64(signal)
  }
}
