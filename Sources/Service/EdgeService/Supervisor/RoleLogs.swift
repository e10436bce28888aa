import Glibc
import Platform

/// The files that the processes' logs go to, where the settings name a folder (`[logging] folder`);
/// without one they go where the supervisor's go, such as the journal.
///
/// A file that has become long is copied to one with `.1` behind its name and emptied: the process
/// that writes to it goes on as if nothing had happened.
package struct RoleLogs {
  /// Bytes from which on a file is moved away.
  static let limit: off_t = 10 << 20

  private let folder: String

  /// Makes the folder.
  init(folder: String) throws(FileFault) {
    self.folder = folder
    try PrivateFile.makeDirectory(folder)
  }

  /// Where a role's log is, the older part first.
  package static func files(of role: EdgeRole, in folder: String) -> [String] {
    ["\(folder)/\(role.rawValue).log.1", "\(folder)/\(role.rawValue).log"]
  }

  /// Opens a role's file to write behind its end; negative where that cannot be.
  func open(_ role: EdgeRole) -> Int32 {
    Glibc.open(path(role), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
  }

  /// Moves away what has become long.
  func rotate() {
    for role in EdgeRole.allCases {
      let path = path(role)
      var facts = stat()
      guard stat(path, &facts) == 0, facts.st_size > Self.limit,
        // Of a flood the end is kept, and no more of it in memory.
        let file = fopen(path, "re")
      else { continue }
      defer { fclose(file) }
      fseek(file, max(0, facts.st_size - 2 * Self.limit), SEEK_SET)
      var bytes = [UInt8](repeating: 0, count: Int(min(facts.st_size, 2 * Self.limit)))
      let count = fread(&bytes, 1, bytes.count, file)
      try? PrivateFile.replace(path + ".1", with: Array(bytes[..<count]))
      truncate(path, 0)
    }
  }

  private func path(_ role: EdgeRole) -> String { "\(folder)/\(role.rawValue).log" }
}
