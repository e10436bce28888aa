import CLinux
import Glibc
import Platform

/// Starts programs by posix_spawn(3).
enum Spawn {
  /// Starts `arguments`, whose first is the program's path, in a session of its own.
  ///
  /// - Parameters:
  ///   - arguments: the program and what it is called with.
  ///   - environment: `NAME=value`.
  ///   - files: what its descriptors from 0 on are; nil is nothing to read or write. All others are
  ///     closed.
  /// - Returns: the process.
  /// - Throws: `FileFault`.
  static func start(
    _ arguments: [String],
    environment: [String],
    files: [Int32?]
  ) throws(FileFault) -> pid_t {
    let path = arguments.first ?? ""
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    for (number, file) in files.enumerated() {
      let number = Int32(number)
      if let file {
        posix_spawn_file_actions_adddup2(&actions, file, number)
      } else {
        posix_spawn_file_actions_addopen(&actions, number, "/dev/null", O_RDWR, 0)
      }
    }
    clinux_spawn_closes_from(&actions, Int32(files.count))
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF) | newSession
    )
    var pid: pid_t = 0
    let number = withStrings(arguments) { arguments in
      withStrings(environment) { environment in
        posix_spawn(&pid, path, &actions, &attributes, arguments, environment)
      }
    }
    guard number == 0 else { throw FileFault("run", path, number) }
    return pid
  }

  /// POSIX_SPAWN_SETSID, which the importer leaves out.
  private static let newSession: Int16 = 0x80

  /// Lends `strings` in the form that execve(2) wants.
  static func withStrings<Result>(
    _ strings: [String],
    _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
  ) -> Result {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
  }
}
