import ByteIO
import Glibc
import Platform

/// The control group of a module, where the kernel and the user let there be one.
///
/// Version 1 has a tree for each controller, version 2 one for all; both are used as they are found.
/// Its name is made of the folder where the module's edge keeps its modules, so that two edges of one
/// machine do not meet.
struct ControlGroup {
  /// The folders of the group, by controller.
  private let folders: [String: String]

  private static let root = "/sys/fs/cgroup"
  private static let controllers = ["memory", "pids", "cpu", "cpuacct"]

  /// The group of the module whose folder that is.
  init(_ folder: ModuleFolder) {
    let isUnified = PrivateFile.exists(Self.root + "/cgroup.controllers")
    var folders: [String: String] = [:]
    let name = folder.machineName
    for controller in Self.controllers where !isUnified || controller != "cpuacct" {
      folders[controller] =
        isUnified ? "\(Self.root)/orrery/\(name)" : "\(Self.root)/\(controller)/orrery/\(name)"
    }
    self.folders = folders
    self.isUnified = isUnified
  }

  private let isUnified: Bool

  /// Puts a process under a limit; says whether that was possible.
  func limit(memoryBytes: Int64, of process: pid_t = getpid()) -> Bool {
    let file = isUnified ? "memory.max" : "memory.limit_in_bytes"
    return apply("memory", [(file, String(memoryBytes))], process)
  }

  /// See `limit(memoryBytes:of:)`.
  func limit(processes: Int64, of process: pid_t = getpid()) -> Bool {
    apply("pids", [("pids.max", String(processes))], process)
  }

  /// See `limit(memoryBytes:of:)`.
  func limit(nanoProcessors: Int64, of process: pid_t = getpid()) -> Bool {
    // Microseconds of each tenth of a second.
    let quota = String(max(nanoProcessors / 10_000, 1000))
    let files =
      isUnified
      ? [("cpu.max", "\(quota) 100000")]
      : [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", quota)]
    return apply("cpu", files, process)
  }

  /// Puts a process into the group without a limit, to measure it; where that is not possible, it is
  /// not measured.
  func join(_ process: pid_t) {
    for controller in Self.controllers { _ = apply(controller, [], process) }
  }

  private func apply(
    _ controller: String,
    _ values: [(String, String)],
    _ process: pid_t
  ) -> Bool {
    guard let folder = folders[controller] else { return false }
    let parent = String(folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)])
    mkdir(parent, 0o755)
    if isUnified { _ = Self.write("+\(controller)", to: parent + "/cgroup.subtree_control") }
    mkdir(folder, 0o755)
    return values.allSatisfy { Self.write($0.1, to: "\(folder)/\($0.0)") }
      && Self.write(String(process), to: "\(folder)/cgroup.procs")
  }

  /// What all processes of the group use together; nil in a field that no controller tells.
  var usage: ModuleUsage {
    var usage = ModuleUsage()
    func words(_ controller: String, _ file: String) -> [Substring] {
      guard let folder = folders[controller],
        let bytes = try? PrivateFile.read("\(folder)/\(file)", limit: 64 << 10)
      else { return [] }
      return String(decoding: bytes, as: UTF8.self).split { $0 == " " || $0 == "\n" }
    }
    func number(_ controller: String, _ file: String) -> Int64? {
      words(controller, file).first.flatMap { Int64($0) }
    }
    let version1 = "memory.limit_in_bytes"
    usage.memoryBytes = number("memory", isUnified ? "memory.current" : "memory.usage_in_bytes")
    // Without a limit version 2 says "max", and version 1 a number beyond every machine.
    usage.memoryLimitBytes = number("memory", isUnified ? "memory.max" : version1)
      .flatMap { $0 < 1 << 60 ? $0 : nil }
    usage.processCount = number("pids", "pids.current")
    if isUnified {
      let figures = words("cpu", "cpu.stat")
      for (name, value) in zip(figures, figures.dropFirst()) where name == "usage_usec" {
        usage.processorNanoseconds = Int64(value).map { $0 * 1000 }
      }
    } else {
      usage.processorNanoseconds = number("cpuacct", "cpuacct.usage")
    }
    return usage
  }

  /// Removes the group; what is still in it is killed.
  func remove() {
    for folder in Set(folders.values) where PrivateFile.exists(folder) {
      for _ in 0..<20 {
        let processes = (try? PrivateFile.read(folder + "/cgroup.procs")) ?? []
        for line in processes.split(separator: 0x0A) {
          if let pid = pid_t(String(decoding: line, as: UTF8.self)), pid > 1 { kill(pid, SIGKILL) }
        }
        if rmdir(folder) == 0 || errno == ENOENT { break }
        Pause.block(milliseconds: 10)
      }
    }
  }

  private static func write(_ text: String, to path: String) -> Bool {
    let file = open(path, O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { close(file) }
    return (try? PrivateFile.write(Array(text.utf8).span, to: file, at: path)) != nil
  }
}

extension ModuleFolder {
  /// What the module is called where all edges of the machine meet: a hash of where its edge keeps
  /// modules, and its own name.
  var machineName: String {
    let slash = path.lastIndex(of: "/") ?? path.startIndex
    let place = Hex.encode(Hashing.sha256(Array(path[..<slash].utf8)).prefix(6))
    return place + "-" + path[slash...].drop { $0 == "/" }
  }
}
