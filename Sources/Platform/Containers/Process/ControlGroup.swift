import Glibc
import Platform

/// The control group of a module that is a process, where the kernel and the user let there be one.
///
/// Version 1 has a tree for each controller, version 2 one for all; both are used as they are found.
struct ControlGroup {
  /// The folders of the group, by controller.
  private let folders: [String: String]

  private static let root = "/sys/fs/cgroup"

  /// The group called `name`.
  init(_ name: String) {
    let isUnified = PrivateFile.exists(Self.root + "/cgroup.controllers")
    var folders: [String: String] = [:]
    for controller in ["memory", "pids", "cpu"] {
      folders[controller] =
        isUnified ? "\(Self.root)/orrery/\(name)" : "\(Self.root)/\(controller)/orrery/\(name)"
    }
    self.folders = folders
    self.isUnified = isUnified
  }

  private let isUnified: Bool

  /// Puts the calling process under a limit; says whether that was possible.
  func limit(memoryBytes: Int64) -> Bool {
    apply("memory", isUnified ? "memory.max" : "memory.limit_in_bytes", String(memoryBytes))
  }

  /// See `limit(memoryBytes:)`.
  func limit(processes: Int64) -> Bool { apply("pids", "pids.max", String(processes)) }

  /// See `limit(memoryBytes:)`.
  func limit(nanoProcessors: Int64) -> Bool {
    // Microseconds of each tenth of a second.
    let quota = String(max(nanoProcessors / 10_000, 1000))
    return isUnified
      ? apply("cpu", "cpu.max", "\(quota) 100000")
      : apply("cpu", "cpu.cfs_period_us", "100000") && apply("cpu", "cpu.cfs_quota_us", quota)
  }

  private func apply(_ controller: String, _ file: String, _ value: String) -> Bool {
    guard let folder = folders[controller] else { return false }
    let parent = String(folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)])
    mkdir(parent, 0o755)
    if isUnified { _ = Self.write("+\(controller)", to: parent + "/cgroup.subtree_control") }
    mkdir(folder, 0o755)
    return Self.write(value, to: "\(folder)/\(file)")
      && Self.write(String(getpid()), to: "\(folder)/cgroup.procs")
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
