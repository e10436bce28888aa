import Glibc
import HubContract
import Platform

/// Makes and removes the directories of workload sockets.
struct WorkloadDirectories {
  let paths: EdgePaths

  /// The directory of all; roles that are let into theirs pass through it, and see no names.
  func make() throws(FileFault) {
    try PrivateFile.makeDirectory(paths.workload)
    guard chmod(paths.workload, 0o711) == 0 else { throw FileFault("protect", paths.workload) }
  }

  /// The directory of a module: around it one for the role that hands it on, in it what every user
  /// may enter, since a module may run as any.
  func make(for moduleID: String) throws(FileFault) {
    let enclosure = paths.workloadEnclosure(of: moduleID)
    try PrivateFile.makeDirectory(paths.workloadDirectory(of: moduleID))
    let role: EdgeRole = moduleID == ModuleID.edgeHub ? .hub : .agent
    try Self.open(enclosure, to: role)
    let directory = paths.workloadDirectory(of: moduleID)
    guard chmod(directory, 0o755) == 0 else { throw FileFault("protect", directory) }
  }

  func remove(for moduleID: String) {
    PrivateFile.removeTree(paths.workloadEnclosure(of: moduleID))
  }

  /// Lets a role pass through a directory, where it has a group of its own and this process is in it.
  static func open(_ directory: String, to role: EdgeRole) throws(FileFault) {
    var mode: mode_t = 0o700
    if let group = getgrnam(role.userName)?.pointee.gr_gid, chown(directory, uid_t.max, group) == 0
    {
      mode = 0o710
    }
    guard chmod(directory, mode) == 0 else { throw FileFault("protect", directory) }
  }
}
