import Glibc
import Platform

/// Removal of files that somebody else has made, however deep and whatever their modes.
enum FileTree {
  /// A name as the system has it, zero at its end: those of others need not be UTF-8.
  private typealias Name = [CChar]

  /// Names that are read at once, however many there are.
  private static let portion = 4096
  /// Folders that are open at once.
  private static let depthLimit = 100
  /// What is moved up to be removed later is called so, and a number.
  static let movedPrefix = ".removed-"

  /// Removes what is called `name` in the folder `directory`, with all in it, following no link.
  ///
  /// - Throws: `FileFault`; nothing there is no fault.
  static func remove(_ name: String, in directory: Int32) throws(FileFault) {
    guard !name.utf8.contains(UInt8(ascii: "/")) else { throw FileFault("remove", name, EINVAL) }
    var moved: [Name] = []
    try remove(Name(name.utf8CString), in: directory, top: directory, depth: 0, &moved)
    while let name = moved.popLast() {
      try remove(name, in: directory, top: directory, depth: 0, &moved)
    }
  }

  /// Removes the folder at `path`, as above.
  static func remove(_ path: String) throws(FileFault) {
    let slash = path.lastIndex(of: "/") ?? path.startIndex
    let parent = open(String(path[..<slash]) + "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard parent >= 0 else {
      if errno == ENOENT { return }
      throw FileFault("open the folder of", path)
    }
    defer { close(parent) }
    try remove(String(path[slash...].drop { $0 == "/" }), in: parent)
  }

  private static func remove(
    _ name: Name,
    in directory: Int32,
    top: Int32,
    depth: Int,
    _ moved: inout [Name]
  ) throws(FileFault) {
    if unlinkat(directory, name, 0) == 0 || errno == ENOENT { return }
    guard errno == EISDIR || errno == EPERM else { throw fault("remove", name) }
    if depth > depthLimit {
      // Begun anew from the top, so that depth costs neither memory nor descriptors.
      let text = "\(movedPrefix)\(moved.count)-\(getpid())-\(UInt32.random(in: 0 ... .max))"
      let other = Name(text.utf8CString)
      guard renameat(directory, name, top, other) == 0 else { throw fault("move", name) }
      moved.append(other)
      return
    }
    let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
    var folder = openat(directory, name, flags)
    if folder < 0, errno == EACCES, fchmodat(directory, name, 0o700, 0) == 0 {
      folder = openat(directory, name, flags)
    }
    guard folder >= 0 else { throw fault("open", name) }
    defer { close(folder) }
    fchmod(folder, 0o700)
    while case let entries = try names(in: folder, name), !entries.isEmpty {
      for entry in entries {
        try remove(entry, in: folder, top: top, depth: depth + 1, &moved)
      }
    }
    guard unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT else {
      throw fault("remove", name)
    }
  }

  /// The first names in an open folder.
  private static func names(in folder: Int32, _ path: Name) throws(FileFault) -> [Name] {
    let copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard copy >= 0, let stream = fdopendir(copy) else { throw fault("read", path) }
    defer { closedir(stream) }
    var names: [Name] = []
    while names.count < portion, let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        bytes.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
      }
      if name != [0x2E, 0], name != [0x2E, 0x2E, 0] { names.append(name) }
    }
    return names
  }

  /// Removes all that is in an open folder, as above.
  static func empty(_ folder: Int32) throws(FileFault) {
    while case let entries = try names(in: folder, []), !entries.isEmpty {
      for name in entries {
        var moved: [Name] = []
        try remove(name, in: folder, top: folder, depth: 0, &moved)
        while let other = moved.popLast() {
          try remove(other, in: folder, top: folder, depth: 0, &moved)
        }
      }
    }
  }

  private static func fault(_ verb: String, _ name: Name) -> FileFault {
    let number = errno
    let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return FileFault(verb, String(decoding: bytes, as: UTF8.self), number)
  }
}
