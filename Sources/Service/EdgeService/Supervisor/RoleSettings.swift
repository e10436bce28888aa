import Glibc
import Logging
import Platform

/// What each process is told of the settings, written by the supervisor whenever it starts the process.
struct RoleSettings {
  private let file: String
  private let paths: EdgePaths
  private let users: EdgeUsers

  /// Forgets what a supervisor before wrote.
  init(file: String, paths: EdgePaths, users: EdgeUsers) {
    (self.file, self.paths, self.users) = (file, paths, users)
    remove()
  }

  /// Takes all of it away.
  func remove() {
    for role in EdgeRole.allCases { unlink(paths.settings(of: role)) }
  }

  /// Writes what a process is told, as the settings file is now.
  ///
  /// If the file cannot be used, the process is started with what it was told the last time: a fault in
  /// it must not stop what runs.
  ///
  /// - Returns: Why the process has nothing to be started with, nil if it has.
  func write(_ role: EdgeRole, _ logger: Logger) -> String? {
    let path = paths.settings(of: role)
    do {
      let bytes = try PrivateFile.read(file, limit: TOMLDocument.byteLimit)
      let text = try SettingsCopy.text(of: bytes, at: file, for: role, paths: paths)
      try PrivateFile.replace(path, with: Array(text.utf8), mode: 0o400)
      try users.give(path, to: role)
      return nil
    } catch {
      let reason = (error as? SettingsFault)?.problem ?? "\(error)"
      guard PrivateFile.exists(path) else { return reason }
      logger.error(
        "the settings cannot be used: the process starts with those of before",
        metadata: ["process": "\(role.rawValue)", "reason": "\(reason)"]
      )
      return nil
    }
  }
}
