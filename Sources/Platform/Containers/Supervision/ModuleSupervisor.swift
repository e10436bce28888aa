import ByteIO
import EdgeEngine
import Glibc
import HubContract
import JSONTree
import Platform
import Synchronization

/// Modules that this program stays with itself, each by a `ModuleShim` of its own while it runs.
///
/// Each module has a folder. Nothing is kept in memory that matters: whoever begins anew finds every
/// module, running or not, in the folders.
final class ModuleSupervisor: Sendable {
  private let root: String
  /// How to call the shim, without the folder and what stands behind it.
  private let shim: [String]
  /// What stands behind the folder and the number of the run.
  private let options: [String]
  /// Shims that this process has started and has to take leave of.
  private let shims = Mutex<Set<pid_t>>([])

  /// How long a module may take to begin, in milliseconds.
  private static let startMilliseconds: UInt64 = 20_000

  /// Supervises the modules of a folder, which is made if it is not there.
  ///
  /// - Throws: `FileFault`.
  init(root: String, shim: [String], options: [String]) throws(FileFault) {
    (self.root, self.shim, self.options) = (root, shim, options)
    try PrivateFile.makeDirectory(root)
  }

  /// The folder of a module, which may not exist.
  func folder(_ name: String) throws(RuntimeFault) -> ModuleFolder {
    guard !name.isEmpty, name.utf8.first != UInt8(ascii: "."),
      !name.utf8.contains(UInt8(ascii: "/"))
    else { throw RuntimeFault(.refused, "\"\(name)\" is no name for a module.") }
    return ModuleFolder(root + "/" + name)
  }

  /// The folder of a module that exists.
  func existing(_ name: String) throws(RuntimeFault) -> ModuleFolder {
    let folder = try folder(name)
    guard PrivateFile.exists(folder.bodyPath) else {
      throw RuntimeFault(.notFound, "There is no module \(name).")
    }
    return folder
  }

  /// All modules; see `ModuleRuntime`.
  func modules() throws -> [ModuleObservation] {
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
    // One whose end is told is over, although its shim may need a moment more; one of which nothing
    // is told yet is about to begin.
    let isRunning = isHeld && run?.isOver == false
    var module = ModuleObservation(
      name: name,
      state: .created,
      statusDescription: "created",
      lastStart: run?.start,
      lastExit: run?.end,
      imageHash: body[Self.imageMember]?.stringValue ?? "",
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

  /// Where a body tells the hash of the image that the module was made of.
  static let imageMember = "ImageHash"

  /// Lets the kernel forget shims that have ended.
  private func takeLeave() {
    shims.withLock { shims in
      shims = shims.filter { waitpid($0, nil, WNOHANG) == 0 }
    }
  }

  /// Keeps what a module is made of; with that there is the module.
  func keep(_ body: JSONObject, of name: String) throws {
    let folder = try folder(name)
    try PrivateFile.makeDirectory(folder.path)
    try PrivateFile.replace(folder.bodyPath, with: JSON.bytes(.object(body)))
  }

  /// The folder for a module that is to be made.
  ///
  /// - Throws: `RuntimeFault` if there is such a module.
  func vacant(_ name: String) throws(RuntimeFault) -> ModuleFolder {
    let folder = try folder(name)
    guard !PrivateFile.exists(folder.bodyPath) else {
      throw RuntimeFault(.conflict, "There is a module \(name) already.")
    }
    return folder
  }

  /// Removes what is no module and would stay for good: a process ended while it made or removed one.
  ///
  /// For the beginning, when nobody makes modules yet. What cannot be removed stays, and is told to
  /// whoever makes a module of that name.
  ///
  /// - Parameter end: ends what may be left of a container in the folder.
  /// - Throws: `FileFault` if there is no telling what there is.
  func removeRemnants(_ end: (ModuleFolder) -> Void = { _ in }) throws(FileFault) {
    for entry in try PrivateFile.entries(of: root) {
      let path = root + "/" + entry.name
      if entry.name.hasPrefix(FileTree.movedPrefix) {
        try? FileTree.remove(path)
      } else if let folder = try? self.folder(entry.name), folder.isRemnant {
        end(folder)
        try? FileTree.remove(path)
      }
    }
  }

  /// Starts a module; see `ModuleRuntime`.
  func start(_ name: String) async throws {
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
        shim + [folder.path, String(number)] + options,
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

  /// Ends a module; see `ModuleRuntime`.
  func stop(_ name: String, within seconds: Int64) async throws {
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

  /// What is known of a module, for support.
  func inspect(_ name: String) throws -> JSONValue {
    let folder = try existing(name)
    var body = try folder.body()
    body["State"] = folder.run?.json
    body["Running"] = .bool(folder.shim != nil)
    return .object(body)
  }

  /// Reads a module's log; see `ModuleRuntime`.
  func logs(
    of name: String,
    _ query: LogQuery,
    to sink: (LogChunk) async throws -> Void
  ) async throws {
    let folder = try existing(name)
    try await LogReader(folder.logPath, query).read(isOver: { folder.shim == nil }, to: sink)
  }
}
