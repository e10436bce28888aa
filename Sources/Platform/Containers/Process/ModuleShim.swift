import CLinux
import Glibc
import HubContract
import JSONTree
import Platform

/// The process that stays with one module: starts it, writes its log, and notes how it ended.
///
/// It is no child to watch over: whoever started it may end, and finds the module again by the lock
/// that the shim holds in the module's folder as long as it lives. The module itself ends with its
/// shim. SIGTERM asks the module to end; SIGUSR1 ends it, with all that it started.
package enum ModuleShim {
  /// What a signal's handler may touch: the pipe's end, written once before there is a handler.
  nonisolated(unsafe) private static var signalPipe: Int32 = -1

  /// Runs the module of a folder once, and returns when it is over.
  ///
  /// - Parameters:
  ///   - path: the module's folder.
  ///   - number: which run this is.
  ///   - launcher: how to call the program that becomes the module, without the folder.
  /// - Returns: the exit status of the shim itself; the module's is in the folder.
  package static func run(folder path: String, number: Int64, launcher: [String]) -> Int32 {
    let folder = ModuleFolder(path)
    guard lock(folder) else { return 3 }
    var run = ModuleRun(number: number, start: now())
    do {
      let program = try ModuleProgram(try folder.body())
      try watch(folder, program, &run, launcher)
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
    _ program: ModuleProgram,
    _ run: inout ModuleRun,
    _ launcher: [String]
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

    let (output, error, fault) = (try pipe(folder), try pipe(folder), try pipe(folder))
    let pid = try Spawn.start(
      launcher + [folder.path],
      environment: [],
      files: [nil, output.write, error.write, fault.write]
    )
    for file in [output.write, error.write, fault.write] { close(file) }
    defer { for file in [output.read, error.read, fault.read] { close(file) } }
    run.pid = pid
    // Its end closes the pipe, and so does the beginning of the module itself.
    if let text = readAll(fault.read) {
      var status: Int32 = 0
      waitpid(pid, &status, 0)
      throw RuntimeFault(.failed, text)
    }
    try PrivateFile.replace(folder.statePath, with: JSON.bytes(run.json))

    var log = LogWriter(folder.logPath, program.log)
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
      if polled.last?.revents != 0 { heed(signals.read, pid, program, &status) }
    }
    log.finish(now())
    run.exitCode = status.map(code)
    run.end = now()
    ControlGroup((folder.path.split(separator: "/").last).map { String($0) } ?? "module").remove()
  }

  /// Acts on the signals that came.
  private static func heed(
    _ pipe: Int32,
    _ pid: pid_t,
    _ program: ModuleProgram,
    _ status: inout Int32?
  ) {
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = read(pipe, &bytes, bytes.count)
    for byte in bytes.prefix(max(count, 0)) {
      switch Int32(byte) {
      case SIGTERM where status == nil: kill(-pid, program.stopSignal)
      case SIGUSR1 where status == nil: kill(-pid, SIGKILL)
      case SIGCHLD:
        var ended: Int32 = 0
        guard status == nil, waitpid(pid, &ended, WNOHANG) == pid else { continue }
        status = ended
        // What it started ends with it, as in a container.
        kill(-pid, SIGKILL)
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

  /// All that comes until the end; nil if nothing does.
  private static func readAll(_ file: Int32) -> String? {
    var text: [UInt8] = []
    var bytes = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(file, &bytes, bytes.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0, text.count < 65_536 else { break }
      text += bytes[..<count]
    }
    return text.isEmpty ? nil : String(decoding: text, as: UTF8.self)
  }

  private static func pipe(_ folder: ModuleFolder) throws(FileFault) -> (read: Int32, write: Int32)
  {
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
