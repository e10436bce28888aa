import CLinux
import Glibc
import JSONTree
import Platform

/// Stays with a module that is a container of crun.
package struct ContainerShim: ShimTask {
  private let crun: Crun
  private let limits: JSONObject
  let log: LogLimits
  let stopSignal: Int32

  /// Runs the module of a folder once, and returns when it is over.
  ///
  /// - Parameters:
  ///   - path: the module's folder.
  ///   - number: which run this is.
  ///   - crun: the path of crun.
  /// - Returns: the exit status of the shim itself; the module's is in the folder.
  package static func run(folder path: String, number: Int64, crun: String) -> Int32 {
    ModuleShim.run(folder: path, number: number) { folder in
      try ContainerShim(Crun(path: crun, folder: folder))
    }
  }

  /// Where a plan's limits are kept, beside the configuration of the container.
  static func limitsPath(_ folder: ModuleFolder) -> String { folder.path + "/limits.json" }

  static func limits(of plan: ContainerPlan) -> JSONObject {
    var limits: JSONObject = ["StopSignal": .int(Int64(plan.stopSignal))]
    limits["Memory"] = plan.memoryBytes.map { .int($0) }
    limits["NanoCpus"] = plan.nanoProcessors.map { .int($0) }
    limits["PidsLimit"] = plan.processLimit.map { .int($0) }
    return limits
  }

  private init(_ crun: Crun) throws {
    self.crun = crun
    limits = try JSON.parse(PrivateFile.read(Self.limitsPath(crun.folder))).objectValue ?? [:]
    stopSignal = limits["StopSignal"]?.int64Value.flatMap { Int32(exactly: $0) } ?? SIGTERM
    log = LogLimits(
      try crun.folder.body()["HostConfig"]?["LogConfig"]?["Config"]?.objectValue ?? [:]
    )
  }

  func begin(output: Int32, error: Int32) throws -> pid_t {
    // A container whose shim was killed, or of before a power cut.
    crun.delete()
    // Crun leaves the container's first process behind; it has to become a child of this one.
    guard clinux_adopt_orphans() == 0 else { throw FileFault("adopt what is begun in", crun.path) }
    // What crun makes in the container is for its users.
    umask(0o022)
    try crun.create(output: output, error: error)
    let text = String(decoding: try PrivateFile.read(crun.pidPath, limit: 64), as: UTF8.self)
    guard let pid = pid_t(text.prefix { $0.isNumber }), pid > 1 else {
      throw RuntimeFault(.failed, "crun has written no process to \(crun.pidPath).")
    }
    try confine(pid)
    try crun.start()
    return pid
  }

  /// Puts the container under its limits, before its program begins.
  private func confine(_ pid: pid_t) throws {
    let group = ControlGroup(crun.folder)
    group.join(pid)
    for (name, apply) in [
      ("Memory", { group.limit(memoryBytes: $0, of: pid) }),
      ("PidsLimit", { group.limit(processes: $0, of: pid) }),
      ("NanoCpus", { group.limit(nanoProcessors: $0, of: pid) }),
    ] as [(String, (Int64) -> Bool)] {
      guard let value = limits[name]?.int64Value, !apply(value) else { continue }
      throw RuntimeFault(
        .refused,
        "HostConfig.\(name) cannot be kept: this user has no control groups on this machine. Run the "
          + "agent as root, or leave the limit out."
      )
    }
  }

  func signal(_ pid: pid_t, _ number: Int32) { kill(pid, number) }

  // With the first process of a container all others end; what shares the machine's ends with the
  // control group.
  func sweep(_ pid: pid_t) {}

  func cleanUp() { crun.delete() }
}
