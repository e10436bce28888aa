import Glibc
import Platform

/// Calls crun for the container of one module.
struct Crun {
  /// The program.
  let path: String
  let folder: ModuleFolder

  /// Where crun keeps what it knows of the container; there as long as there is one.
  var statePath: String { folder.path + "/crun" }
  var pidPath: String { folder.path + "/pid" }
  private var logPath: String { folder.path + "/crun.log" }
  private var id: String { "orrery-" + folder.machineName }

  private static let variables = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
  private static let mixedGroups = "/sys/fs/cgroup/unified"

  /// Makes the container, which waits for `start`; its output goes to these files.
  func create(output: Int32, error: Int32) throws {
    try call(["create", "--bundle", folder.path, "--pid-file", pidPath, id], [nil, output, error])
  }

  /// Starts the container's program.
  func start() throws { try call(["start", id]) }

  /// Ends the container, if there is one, and what the kernel keeps for it.
  func delete() {
    if PrivateFile.exists(statePath) {
      try? call(["delete", "--force", id])
      PrivateFile.removeTree(statePath)
    }
    unlink(pidPath)
    ControlGroup(folder).remove()
  }

  private func call(_ words: [String], _ files: [Int32?] = [nil, nil, nil]) throws {
    unlink(logPath)
    // Limits are this program's own business: crun's way to control groups differs from machine to
    // machine, and needs rights that a runtime without root does not have.
    let command =
      [path, "--cgroup-manager=disabled", "--root", statePath, "--log", "file:" + logPath] + words
    let status = try Self.run(Self.shield + command, files)
    guard status == 0 else {
      let bytes = (try? PrivateFile.read(logPath, limit: 1 << 20)) ?? []
      let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").last
      throw RuntimeFault(.failed, line.map { "crun: \($0)" } ?? "crun ended with \(status).")
    }
  }

  /// What crun is called through: it refuses machines with both versions of control groups, unless
  /// the second one is out of its sight.
  private static var shield: [String] {
    guard PrivateFile.exists(mixedGroups + "/cgroup.procs") else { return [] }
    let script = "umount \(mixedGroups) && exec \"$@\""
    return ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", script, "sh"]
  }

  /// The version of the crun at `path`.
  ///
  /// - Throws: `RuntimeFault` if it cannot be run.
  static func version(of path: String) throws(RuntimeFault) -> String {
    do {
      let pipe = try ModuleShim.pipe(ModuleFolder(path))
      defer { close(pipe.read) }
      let pid: pid_t
      do {
        defer { close(pipe.write) }
        let files = [nil, pipe.write]
        pid = try Spawn.start([path, "--version"], environment: variables, files: files)
      }
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = read(pipe.read, &bytes, bytes.count)
      var status: Int32 = 0
      while waitpid(pid, &status, 0) < 0, errno == EINTR {}
      let words = String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
        .split { $0 == " " || $0 == "\n" }
      guard status == 0, words.count > 2, words[0] == "crun" else {
        throw RuntimeFault(.unreachable, "\(path) does not say that it is crun.")
      }
      return String(words[2])
    } catch {
      throw error as? RuntimeFault ?? RuntimeFault(.unreachable, "\(error).")
    }
  }

  private static func run(_ command: [String], _ files: [Int32?]) throws -> Int32 {
    let pid = try Spawn.start(command, environment: variables, files: files)
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    return status == 0 ? 0 : max(status >> 8 & 0xFF, 1)
  }
}
