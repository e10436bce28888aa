import Glibc
import Platform

/// The settings file, replaced by another one.
package enum SettingsFile {
  /// Puts `bytes` at `path`, which are settings that can be used; the file before stays as `.bak`.
  ///
  /// It is 0600, since the supervisor alone reads it, unless the file before was for a group too: then
  /// owner, group and 0640 stay.
  ///
  /// - Returns: The settings.
  /// - Throws: `SettingsFault`, and then nothing was changed; `FileFault`.
  @discardableResult
  package static func replace(
    _ path: String,
    with bytes: [UInt8],
    paths: EdgePaths
  ) throws -> EdgeSettings {
    let settings = try EdgeSettings(bytes, file: path, paths: paths)
    try settings.refuseCopy(at: path)
    var facts = stat()
    let isThere = stat(path, &facts) == 0
    let mode: UInt32 = isThere ? facts.st_mode & 0o640 | 0o600 : 0o600
    if isThere {
      try PrivateFile.replace(path + ".bak", with: PrivateFile.read(path), mode: mode)
      try give(path + ".bak", facts)
    } else if let slash = path.lastIndex(of: "/") {
      try PrivateFile.makeDirectory(String(path[..<slash]))
    }
    try PrivateFile.replace(path, with: bytes, mode: mode)
    if isThere { try give(path, facts) }
    return settings
  }

  private static func give(_ path: String, _ facts: stat) throws(FileFault) {
    guard geteuid() == 0, chown(path, facts.st_uid, facts.st_gid) != 0 else { return }
    throw FileFault("give away", path)
  }
}
