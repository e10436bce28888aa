import CLinux
import Glibc
import Platform

/// What a module that is a process may reach of the file system, by Landlock (landlock(7)).
///
/// It reads what its user may, but nothing below what is hidden, and writes below what is given to
/// it. Path names of sockets are not covered: those are protected by their directories.
struct ModuleSandbox {
  /// Rights by the version of Landlock that brought them.
  private enum Right {
    static let execute: UInt64 = 1 << 0
    static let writeFile: UInt64 = 1 << 1
    static let readFile: UInt64 = 1 << 2
    static let readDirectory: UInt64 = 1 << 3
    /// Removing, making files and directories of every kind.
    static let change: UInt64 = 0x1FFF & ~0xF
    static let refer: UInt64 = 1 << 13
    static let truncate: UInt64 = 1 << 14
    static let deviceControl: UInt64 = 1 << 15

    static let reading = execute | readFile | readDirectory
    /// What a rule for something that is no directory may name.
    static let ofFiles = execute | writeFile | readFile | truncate | deviceControl

    static func known(_ version: Int32) -> UInt64 {
      var rights = reading | writeFile | change
      if version >= 2 { rights |= refer }
      if version >= 3 { rights |= truncate }
      if version >= 5 { rights |= deviceControl }
      return rights
    }
  }
  /// No signals to, and no abstract sockets of, anybody outside.
  private static let scopes: UInt64 = 0b11
  /// Devices that every program expects.
  private static let devices = [
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx",
    "/dev/pts", "/dev/shm",
  ]

  /// What nobody inside sees, with all below.
  let hidden: [String]
  /// What may be read although it is hidden.
  let readable: [String]
  /// What may be written to.
  let writable: [String]

  /// Whether the kernel can do it.
  static var isAvailable: Bool { clinux_landlock_version() > 0 }

  /// Confines this process, and all that it starts, for good; nothing where the kernel cannot.
  ///
  /// - Throws: `RuntimeFault` if a kernel that can does not.
  func enter() throws(RuntimeFault) {
    let version = clinux_landlock_version()
    guard version > 0 else { return }
    let known = Right.known(version)
    let rules = clinux_landlock_create(known, version >= 6 ? Self.scopes : 0)
    guard rules >= 0 else { throw Self.fault("cannot be made") }
    defer { close(rules) }
    // Which disks a device file stands for no path tells.
    let hidden = (self.hidden + ["/dev"]).compactMap(Self.real)
    Self.grant("/", hidden, rules)
    for path in readable { Self.allow(path, Right.reading, rules) }
    for path in Self.devices { Self.allow(path, known & ~Right.execute, rules) }
    for path in writable {
      guard let path = Self.real(path) else { continue }
      // The edge's own files stay its own, whatever a manifest asks for.
      let isInside = self.hidden.compactMap(Self.real).contains { Self.isBelow(path, $0) }
      if !isInside || self.own.contains(path) { Self.allow(path, known, rules) }
    }
    guard clinux_landlock_enter(rules) == 0 else { throw Self.fault("cannot be entered") }
  }

  /// The module's own folders, which lie among what is hidden.
  private let own: Set<String>

  init(hidden: [String], readable: [String], own: [String], writable: [String]) {
    self.hidden = hidden
    self.readable = readable
    self.own = Set(own.compactMap(Self.real))
    self.writable = own + writable
  }

  /// Allows reading of all in `directory` but what is hidden.
  private static func grant(_ directory: String, _ hidden: [String], _ rules: Int32) {
    guard hidden.contains(where: { isBelow($0, directory) }) else {
      return allow(directory, Right.reading, rules)
    }
    guard !hidden.contains(directory), let entries = try? PrivateFile.entries(of: directory) else {
      return
    }
    for entry in entries {
      let path = directory == "/" ? "/" + entry.name : directory + "/" + entry.name
      // A link leads to what has a rule of its own, or is hidden.
      var information = stat()
      guard lstat(path, &information) == 0, information.st_mode & S_IFMT != S_IFLNK else {
        continue
      }
      grant(path, hidden, rules)
    }
  }

  private static func allow(_ path: String, _ rights: UInt64, _ rules: Int32) {
    let file = open(path, O_PATH | O_CLOEXEC)
    guard file >= 0 else { return }
    defer { close(file) }
    var information = stat()
    guard fstat(file, &information) == 0 else { return }
    let isDirectory = information.st_mode & S_IFMT == S_IFDIR
    _ = clinux_landlock_allow(rules, file, isDirectory ? rights : rights & Right.ofFiles)
  }

  /// Whether `path` is `directory` or below it.
  private static func isBelow(_ path: String, _ directory: String) -> Bool {
    directory == "/" || path.utf8.elementsEqual(directory.utf8)
      || path.utf8.starts(with: (directory + "/").utf8)
  }

  private static func real(_ path: String) -> String? {
    guard let found = realpath(path, nil) else { return nil }
    defer { free(found) }
    return String(cString: found)
  }

  private static func fault(_ what: String) -> RuntimeFault {
    RuntimeFault(.failed, "The module's sandbox \(what): \(String(cString: strerror(errno))).")
  }
}
