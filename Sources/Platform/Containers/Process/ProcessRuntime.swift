import ByteIO
package import EdgeEngine
import Glibc
import HubContract
package import JSONTree
package import Platform
import Synchronization

/// Modules as plain processes of this machine, without any container engine (edge contract section
/// 16, EXT 4).
///
/// Each module has a folder, and while it runs a `ModuleShim`. Nothing is kept in memory that
/// matters: a runtime that begins anew finds every module, running or not, in the folders.
package final class ProcessRuntime: ModuleRuntime {
  private let root: String
  /// How to call the program of the shim and of the launcher.
  private let program: String
  /// What no module sees.
  private let hidden: [String]
  /// Shims that this process has started and has to take leave of.
  private let shims = Mutex<Set<pid_t>>([])

  /// Names of the commands by which the program is a shim, or a launcher.
  package static let shimCommand = "module-shim"
  /// See `shimCommand`.
  package static let launcherCommand = "module-launch"
  /// How long a module may take to begin, in milliseconds.
  private static let startMilliseconds: UInt64 = 20_000

  /// Creates the runtime.
  ///
  /// - Parameters:
  ///   - root: the folder of the modules' folders; made if it is not there.
  ///   - program: the program that has the commands above.
  ///   - hidden: files and folders that no module sees, the edge's own.
  /// - Throws: `FileFault`.
  package init(
    root: String,
    program: String = "/proc/self/exe",
    hidden: [String] = []
  ) throws(FileFault) {
    self.root = root
    self.hidden = hidden
    self.program = program
    try PrivateFile.makeDirectory(root)
  }

  /// Whether modules are kept from the file system of the machine: the kernel has what it takes.
  package static var isConfining: Bool { ModuleSandbox.isAvailable }

  private func folder(_ name: String) throws(RuntimeFault) -> ModuleFolder {
    guard !name.isEmpty, name.utf8.first != UInt8(ascii: "."),
      !name.utf8.contains(UInt8(ascii: "/"))
    else { throw RuntimeFault(.refused, "\"\(name)\" is no name for a module.") }
    return ModuleFolder(root + "/" + name)
  }

  private func existing(_ name: String) throws(RuntimeFault) -> ModuleFolder {
    let folder = try folder(name)
    guard PrivateFile.exists(folder.bodyPath) else {
      throw RuntimeFault(.notFound, "There is no module \(name).")
    }
    return folder
  }

  // MARK: Modules

  package func modules() async throws -> [ModuleObservation] {
    takeLeave()
    return try PrivateFile.entries(of: root).map(\.name).sorted().compactMap { name in
      guard let folder = try? existing(name), let body = try? folder.body() else { return nil }
      return observe(name, folder, body)
    }
  }

  private func observe(
    _ name: String,
    _ folder: ModuleFolder,
    _ body: JSONObject
  ) -> ModuleObservation? {
    var labels: [String: String] = [:]
    for (key, value) in body["Labels"]?.objectValue ?? [:] { labels[key] = value.stringValue }
    guard let origin = ContainerBody.origin(labels: labels) else { return nil }
    // In this order: one that ends in between has told how.
    let isHeld = folder.shim != nil
    let run = folder.run
    // One whose end is told is over, although its shim may need a moment more.
    let isRunning = isHeld && run?.isOver != true
    var module = ModuleObservation(
      name: name,
      state: .created,
      statusDescription: "created",
      lastStart: run?.start,
      lastExit: run?.end,
      image: origin.image,
      createOptions: origin.createOptions,
      environment: origin.environment
    )
    if isRunning {
      module.state = .running
      module.statusDescription = "running"
    } else if let run {
      // Nobody saw the end of one whose shim was killed too, or that a power cut took.
      let code = run.exitCode ?? 137
      module.state = .exited(code)
      module.statusDescription =
        run.fault
        ?? (run.exitCode == nil ? "lost: its end was not seen" : "exited with code \(code)")
    }
    return module
  }

  /// Lets the kernel forget shims that have ended.
  private func takeLeave() {
    shims.withLock { shims in
      shims = shims.filter { waitpid($0, nil, WNOHANG) == 0 }
    }
  }

  package func create(_ name: String, _ body: ContainerBody) async throws {
    let folder = try folder(name)
    guard !PrivateFile.exists(folder.bodyPath) else {
      throw RuntimeFault(.conflict, "There is a module \(name) already.")
    }
    let program = try ModuleProgram(body.object)
    try program.check()
    try PrivateFile.makeDirectory(folder.path)
    try PrivateFile.replace(folder.bodyPath, with: JSON.bytes(.object(body.object)))
  }

  package func start(_ name: String) async throws {
    let folder = try existing(name)
    let asked = SystemClock.now()
    // The shim of a run that is over needs a moment to go; any other one runs the module.
    while folder.shim != nil, folder.run?.isOver == true,
      SystemClock.now().milliseconds(since: asked) < Self.startMilliseconds
    {
      try await Pause.sleep(for: .milliseconds(10))
    }
    if folder.shim != nil { return }
    let number = (folder.run?.number ?? 0) + 1
    let pid: pid_t
    do {
      pid = try Spawn.start(
        [program, Self.shimCommand, folder.path, String(number)]
          + hidden.flatMap { ["--hide", $0] },
        environment: ["PATH=/usr/bin:/bin"],
        files: [nil, nil, STDERR_FILENO]
      )
    } catch {
      throw RuntimeFault(.failed, "Starting \(name): \(error)")
    }
    shims.withLock { _ = $0.insert(pid) }
    let began = SystemClock.now()
    while true {
      if let run = folder.run, run.number >= number {
        guard let fault = run.fault else { return }
        throw RuntimeFault(.failed, "Starting \(name): \(fault)")
      }
      takeLeave()
      let isOver = !shims.withLock { $0.contains(pid) }
      let waited = (SystemClock.now().nanoseconds - began.nanoseconds) / 1_000_000
      if isOver && (folder.run?.number ?? 0) < number || waited > Self.startMilliseconds {
        // Somebody else may have been quicker.
        if folder.shim != nil { return }
        throw RuntimeFault(
          .failed,
          "Starting \(name): the process that was to run it has \(isOver ? "ended" : "not begun"); "
            + "its own words are in this program's error stream."
        )
      }
      try await Pause.sleep(for: .milliseconds(10))
    }
  }

  package func stop(_ name: String, within seconds: Int64) async throws {
    let folder = try existing(name)
    try await end(folder, name, SIGTERM, seconds: seconds)
    if folder.shim != nil { try await end(folder, name, SIGUSR1, seconds: 10) }
    guard let shim = folder.shim else { return }
    // Whoever keeps the shim from its work: the module ends with it.
    kill(shim, SIGKILL)
    try await end(folder, name, 0, seconds: 10)
    guard folder.shim == nil else {
      throw RuntimeFault(.failed, "Stopping \(name): process \(shim) cannot be ended.")
    }
  }

  private func end(
    _ folder: ModuleFolder,
    _ name: String,
    _ signal: Int32,
    seconds: Int64
  ) async throws {
    guard let shim = folder.shim else { return }
    kill(shim, signal)
    let began = SystemClock.now()
    while folder.shim == shim {
      takeLeave()
      let waited = (SystemClock.now().nanoseconds - began.nanoseconds) / 1_000_000_000
      if waited >= UInt64(clamping: seconds) { return }
      try await Pause.sleep(for: .milliseconds(20))
    }
    takeLeave()
  }

  package func remove(_ name: String) async throws {
    let folder = try folder(name)
    guard PrivateFile.exists(folder.path) else { return }
    if PrivateFile.exists(folder.bodyPath) { try await stop(name, within: 0) }
    // First what makes it a module, so that no half of one is ever found.
    unlink(folder.bodyPath)
    PrivateFile.removeTree(folder.path)
  }

  package func inspect(_ name: String) async throws -> JSONValue {
    let folder = try existing(name)
    var body = try folder.body()
    body["State"] = folder.run?.json
    body["Running"] = .bool(folder.shim != nil)
    return .object(body)
  }

  package func logs(
    of name: String,
    _ query: LogQuery,
    to sink: (LogChunk) async throws -> Void
  ) async throws {
    let folder = try existing(name)
    try await LogReader(folder.logPath, query).read(isOver: { folder.shim == nil }, to: sink)
  }

  package func usage(of name: String) async throws -> ModuleUsage {
    let folder = try existing(name)
    guard folder.shim != nil, let pid = folder.run?.pid else { return ModuleUsage() }
    return ModuleUsage(process: pid)
  }

  package func platform() async throws -> RuntimePlatform {
    var names = utsname()
    uname(&names)
    func text(_ field: some Any) -> String {
      withUnsafeBytes(of: field) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
    }
    return RuntimePlatform(
      os: text(names.sysname).lowercased(),
      architecture: text(names.machine),
      version: text(names.release)
    )
  }

  // MARK: Images, of which there are none

  package func pull(
    _ source: ImageSource,
    progress: @escaping @Sendable (PullProgress) -> Void
  ) async throws {
    throw RuntimeFault(.refused, "\(source.reference): processes have no images to fetch.")
  }

  package func image(_ name: String) async throws -> StoredImage? { nil }

  package func images() async throws -> [StoredImage] { [] }

  package func removeImage(_ id: String) async throws {}
}

extension ModuleUsage {
  /// What the kernel tells of a process; what it does not tell is left out.
  init(process pid: pid_t) {
    self.init()
    func words(_ file: String) -> [Substring] {
      let bytes = (try? PrivateFile.read("/proc/\(pid)/\(file)")) ?? []
      let text = String(decoding: bytes, as: UTF8.self)
      // The name of the program stands in brackets, and may hold anything.
      let rest = text.lastIndex(of: ")").map { text[text.index(after: $0)...] } ?? text[...]
      return rest.split { $0 == " " || $0 == "\n" }
    }
    let memory = words("statm")
    if memory.count > 1, let pages = Int64(memory[1]) {
      memoryBytes = pages * Int64(sysconf(Int32(_SC_PAGESIZE)))
    }
    let times = words("stat")
    // utime and stime are the 14th and 15th field (proc(5)); two are cut off here.
    if times.count > 12, let user = Int64(times[11]), let system = Int64(times[12]) {
      let ticks = max(Int64(sysconf(Int32(_SC_CLK_TCK))), 1)
      processorNanoseconds = (user + system) * (1_000_000_000 / ticks)
      processCount = 1
    }
    let traffic = words("io")
    for (name, value) in zip(traffic, traffic.dropFirst()) {
      if name == "read_bytes:" { diskReadBytes = Int64(value) }
      if name == "write_bytes:" { diskWriteBytes = Int64(value) }
    }
  }
}
