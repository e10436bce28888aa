package import Glibc
import Logging
import Platform

/// The users that the processes run as, where the supervisor is root and the users exist.
package struct EdgeUsers {
  /// A user of the system.
  package struct User {
    let user: uid_t
    let group: gid_t
    /// All groups, the own one too.
    let groups: [gid_t]

    package init(user: uid_t, group: gid_t, groups: [gid_t]) {
      (self.user, self.group, self.groups) = (user, group, groups)
    }
  }

  private let users: [EdgeRole: User]

  subscript(_ role: EdgeRole) -> User? { users[role] }

  /// Looks the users up; says where it does without.
  static func find(_ logger: Logger) -> EdgeUsers {
    guard geteuid() == 0 else { return EdgeUsers(users: [:]) }
    var users: [EdgeRole: User] = [:]
    for role in EdgeRole.allCases { users[role] = user(role) }
    let missing = EdgeRole.allCases.filter { users[$0] == nil }.map(\.userName)
    guard missing.isEmpty else {
      logger.warning(
        "all processes run as root: there is no user \(missing.joined(separator: ", "))"
      )
      return EdgeUsers(users: [:])
    }
    return EdgeUsers(users: users)
  }

  private static func user(_ role: EdgeRole) -> User? {
    guard let entry = getpwnam(role.userName)?.pointee else { return nil }
    var count: Int32 = 64
    var groups = [gid_t](repeating: 0, count: Int(count))
    guard getgrouplist(role.userName, entry.pw_gid, &groups, &count) >= 0 else { return nil }
    groups = Array(groups.prefix(Int(max(count, 0))))
    // It hands sockets over to these.
    if role == .keys {
      for other in [EdgeRole.agent, .hub] {
        if let group = getpwnam(other.userName)?.pointee.pw_gid { groups.append(group) }
      }
    }
    return User(user: entry.pw_uid, group: entry.pw_gid, groups: groups)
  }

  /// Makes data and socket directories, each its role's own.
  func makeDirectories(_ paths: EdgePaths) throws(FileFault) {
    for directory in [paths.data, paths.run] {
      try PrivateFile.makeDirectory(directory)
      // Passed through by all; what is in it is each role's own.
      if !users.isEmpty { try give(directory, nil, mode: 0o711) }
    }
    for role in EdgeRole.allCases {
      try PrivateFile.makeDirectory(paths.data(of: role))
      try give(paths.data(of: role), users[role], mode: 0o700)
      try PrivateFile.makeDirectory(paths.run(of: role))
      // The keys process, which is in every role's group, asks the agent for its modules.
      try give(paths.run(of: role), users[role], mode: users.isEmpty ? 0o700 : 0o710)
    }
    try PrivateFile.makeDirectory(paths.settings)
    try give(paths.settings, nil, mode: users.isEmpty ? 0o700 : 0o711)
    try PrivateFile.makeDirectory(paths.workload)
    try give(paths.workload, users[.keys], mode: 0o711)
  }

  /// Makes a file its role's own.
  func give(_ file: String, to role: EdgeRole) throws(FileFault) {
    guard let user = users[role] else { return }
    guard chown(file, user.user, user.group) == 0 else { throw FileFault("give away", file) }
  }

  private func give(_ directory: String, _ user: User?, mode: mode_t) throws(FileFault) {
    if let user, chown(directory, user.user, user.group) != 0 {
      throw FileFault("give away", directory)
    }
    guard chmod(directory, mode) == 0 else { throw FileFault("protect", directory) }
  }
}
