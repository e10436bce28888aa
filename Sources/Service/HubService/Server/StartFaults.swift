import GRDB
import Glibc
import MessageLog
import Platform

/// What keeps a hub from starting, in an operator's words.
extension SettingsFault {
  /// The registry in the file `path` cannot be opened.
  static func registry(_ path: String, _ error: any Error) -> SettingsFault {
    if error is RegistryLost {
      return SettingsFault(
        "the registry \(path) is missing or empty, though a hub has been at work in its directory",
        remedy: "Put the file back, with its -wal if there was one, or lay the last backup out: "
          + "orrery restore BACKUP --data NEW. To begin anew, name a new directory."
      )
    }
    guard let error = error as? DatabaseError else {
      return SettingsFault("the registry \(path) cannot be opened: \(error)")
    }
    let text = error.message ?? "SQLite's error \(error.resultCode.rawValue)"
    switch error.resultCode {
    case .SQLITE_NOTADB, .SQLITE_CORRUPT:
      return SettingsFault(
        "the registry \(path) is damaged: \(text)",
        remedy: "Keep the directory as it is, and lay the last backup out beside it: "
          + "orrery restore BACKUP --data NEW. Look for the cause in the disk."
      )
    case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
      return SettingsFault(
        "the registry \(path) cannot be opened or written: \(text)",
        remedy:
          "The user that runs the hub (number \(geteuid())) must own it, its -wal and -shm, and "
          + "the directory: ls -l \(path)*"
      )
    case _ where error.meansFull:
      return SettingsFault(
        "the registry \(path) cannot be opened: \(text)",
        remedy: "The file system is full: free some space."
      )
    case .SQLITE_BUSY, .SQLITE_LOCKED:
      return SettingsFault(
        "the registry \(path) is in use by another program",
        remedy: "Stop it: fuser \(path) tells which. Only the hub may write there."
      )
    default:
      return SettingsFault(
        "the registry \(path) cannot be opened: \(text)",
        remedy: "Look whether the disk is full or fails, and who owns the directory."
      )
    }
  }

  /// The message log in `directory` cannot be opened.
  static func messageLog(_ directory: String, _ fault: LogFault) -> SettingsFault {
    let text = "the message log in \(directory) cannot be opened: "
    return switch fault {
    case .full:
      SettingsFault(text + "no space is left", remedy: "Free some space in its file system.")
    case .disk(.missing):
      SettingsFault(
        text + "a file of it went away meanwhile",
        remedy: "Let nothing but the hub write there, and start again."
      )
    case .disk(.io(let code)):
      SettingsFault(
        text + String(cString: strerror(code)),
        remedy: "It must be a directory of the user that runs the hub (number \(geteuid())): "
          + "ls -ld \(directory). If it is, look for the cause in the disk."
      )
    case .formatVersion(let version):
      SettingsFault(
        text + "its format is version \(version)",
        remedy: "A later version of the hub wrote it: start that one."
      )
    case .headersLost(let base):
      SettingsFault(
        text + "no segment has a header that can be read, from position \(base) on",
        remedy: "Keep the directory as it is, and lay the last backup out beside it: "
          + "orrery restore BACKUP --data NEW."
      )
    default: SettingsFault(text + "\(fault)")
    }
  }
}
