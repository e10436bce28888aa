import Glibc
import HubContract
import JSONTree
import Platform

/// The files of one module that is a process.
struct ModuleFolder {
  let path: String

  init(_ path: String) { self.path = path }

  /// What it was made of, as a container's body; no one else may read it, since variables may be
  /// secrets.
  var bodyPath: String { path + "/module.json" }
  /// How its last run goes or went; the shim writes it.
  var statePath: String { path + "/state.json" }
  /// Locked by the shim as long as it lives.
  var lockPath: String { path + "/lock" }
  /// What the module writes.
  var logPath: String { path + "/log" }
  /// Where it may write: its own temporary files, and where it begins.
  var temporaryPath: String { path + "/tmp" }
  var workPath: String { path + "/work" }

  func body() throws -> JSONObject {
    let value = try JSON.parse(try PrivateFile.read(bodyPath), limits: .stored)
    guard let body = value.objectValue else {
      throw RuntimeFault(.failed, "\(bodyPath) holds no object; remove the module.")
    }
    return body
  }

  /// The process that holds the lock, nil if none does.
  var shim: pid_t? {
    let file = open(lockPath, O_RDWR | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    lock.l_whence = Int16(SEEK_SET)
    guard fcntl(file, F_GETLK, &lock) == 0, lock.l_type != Int16(F_UNLCK) else { return nil }
    return lock.l_pid
  }

  /// Whether there is no module in it, and nothing stays with one.
  ///
  /// A process that made or removed one ended before its time. Where that cannot be told there is a
  /// module.
  var isRemnant: Bool {
    var information = stat()
    guard lstat(path, &information) == 0, information.st_mode & S_IFMT == S_IFDIR,
      Self.isAbsent(bodyPath)
    else { return false }
    return Self.isAbsent(lockPath) || access(lockPath, R_OK | W_OK) == 0 && shim == nil
  }

  private static func isAbsent(_ path: String) -> Bool {
    access(path, F_OK) != 0 && errno == ENOENT
  }

  var run: ModuleRun? {
    (try? PrivateFile.read(statePath)).flatMap { try? JSON.parse($0) }.flatMap(ModuleRun.init)
  }
}

/// How one run of a module goes or went.
struct ModuleRun: Equatable {
  /// Counted from 1 for each module.
  var number: Int64
  /// The module's process.
  var pid: pid_t = 0
  var start: Timestamp
  /// How it ended; nil while it runs, or if nobody was there to see it.
  var exitCode: Int64?
  var end: Timestamp?
  /// Why it could not be run.
  var fault: String?

  /// Whether its end is told.
  var isOver: Bool { exitCode != nil || fault != nil }

  init(number: Int64, start: Timestamp) { (self.number, self.start) = (number, start) }

  init?(_ json: JSONValue) {
    guard let number = json["number"]?.int64Value,
      let start = json["start"]?.stringValue.flatMap({ Timestamp(iso8601: $0) })
    else { return nil }
    self.init(number: number, start: start)
    pid = json["pid"]?.int64Value.flatMap { pid_t(exactly: $0) } ?? 0
    exitCode = json["exitCode"]?.int64Value
    end = json["end"]?.stringValue.flatMap { Timestamp(iso8601: $0) }
    fault = json["fault"]?.stringValue
  }

  var json: JSONValue {
    var members: JSONObject = [
      "number": .int(number), "pid": .int(Int64(pid)), "start": .string(start.iso8601),
    ]
    if let exitCode { members["exitCode"] = .int(exitCode) }
    if let end { members["end"] = .string(end.iso8601) }
    if let fault { members["fault"] = .string(fault) }
    return .object(members)
  }
}
