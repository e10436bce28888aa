import Glibc

/// A failed call of the operating system on a path.
package struct FileFault: Error, CustomStringConvertible {
  /// What was tried, such as "write".
  package let operation: String
  /// On which path.
  package let path: String
  /// The error number that the system gave.
  package let number: Int32

  package init(_ operation: String, _ path: String, _ number: Int32 = errno) {
    self.operation = operation
    self.path = path
    self.number = number
  }

  /// Whether the file is not there.
  package var isMissing: Bool { number == ENOENT }

  /// What a person can do about it; nil if the error says all.
  package var remedy: String? {
    switch number {
    case EACCES, EPERM:
      "The user that runs this (number \(geteuid())) must be allowed to; look at the owner and "
        + "the mode: ls -ld \(path)"
    case EROFS: "The file system is read-only: name a directory on another one."
    case ENOSPC, EDQUOT: "The file system is full: free some space."
    case ENOTDIR, EEXIST: "A part of that path is a file where a directory should be."
    case EMFILE, ENFILE: "Too many files are open: raise the limit (ulimit -n)."
    case EIO: "The disk fails; the kernel's log says more."
    default: nil
    }
  }

  package var description: String {
    "cannot \(operation) \(path): \(String(cString: strerror(number)))"
  }
}

/// Whole small files that hold secrets or state: read at once, replaced atomically.
package enum PrivateFile {
  /// The whole content of a file of at most `limit` bytes.
  package static func read(_ path: String, limit: Int = 16 << 20) throws(FileFault) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw FileFault("open", path) }
    defer { close(file) }
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = Glibc.read(file, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw FileFault("read", path) }
      if count == 0 { return content }
      guard content.count + count <= limit else { throw FileFault("read", path, EFBIG) }
      content.append(contentsOf: chunk[..<count])
    }
  }

  /// Puts `content` at `path` so that a crash leaves either the old or the new file, never a part.
  ///
  /// The file is created with `mode` (0600 unless told otherwise) before anything is written to it.
  package static func replace(
    _ path: String,
    with content: [UInt8],
    mode: UInt32 = 0o600
  )
    throws(FileFault)
  {
    let temporary = path + ".new"
    unlink(temporary)
    let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(mode))
    // People are told of the file that they asked for: the other is gone when they look.
    guard file >= 0 else { throw FileFault("create", path) }
    defer { close(file) }
    // Whatever the process's mask says.
    guard fchmod(file, mode_t(mode)) == 0 else { throw FileFault("protect", path) }
    try write(content.span, to: file, at: path)
    guard fsync(file) == 0 else { throw FileFault("sync", path) }
    guard rename(temporary, path) == 0 else { throw FileFault("replace", path) }
    try syncDirectory(of: path)
  }

  /// Writes all of `bytes` to the open file `descriptor`, which is the one at `path`.
  package static func write(
    _ bytes: Span<UInt8>,
    to descriptor: Int32,
    at path: String
  ) throws(FileFault) {
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBufferPointer {
        Glibc.write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw FileFault("write", path) }
      written += count
    }
  }

  /// Makes a rename or creation in the directory of `path` durable.
  package static func syncDirectory(of path: String) throws(FileFault) {
    let directory = directory(of: path)
    let handle = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard handle >= 0 else { throw FileFault("open", directory) }
    defer { close(handle) }
    guard fsync(handle) == 0 else { throw FileFault("sync", directory) }
  }

  /// Makes the directory and those above it, with mode 0700 for the new ones.
  package static func makeDirectory(_ path: String) throws(FileFault) {
    var partial = path.utf8.first == UInt8(ascii: "/") ? "/" : ""
    for part in path.utf8.split(separator: UInt8(ascii: "/")) {
      partial += Substring(part) + "/"
      if mkdir(partial, 0o700) != 0, errno != EEXIST { throw FileFault("make", partial) }
    }
  }

  /// What stands before the last slash of `path`: "." for a name alone, "/" for what is in the root.
  ///
  /// A slash is a byte to the system; with a combining mark behind it, it is another character.
  package static func directory(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// Whether something exists at `path`.
  package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Gives a file or directory another name, durably.
  package static func move(_ path: String, to target: String) throws(FileFault) {
    guard rename(path, target) == 0 else { throw FileFault("rename", path) }
    try syncDirectory(of: target)
  }

  /// Whether the entry of a directory is one itself, by its `type`, or by what is at `path` where the
  /// file system leaves the type out (readdir(3)).
  static func isDirectory(_ type: UInt8, _ path: String) -> Bool {
    guard type == UInt8(DT_UNKNOWN) else { return type == UInt8(DT_DIR) }
    let handle = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard handle >= 0 else { return false }
    close(handle)
    return true
  }

  /// What is in a directory, with each entry's type as readdir(3) has it.
  package static func entries(of path: String) throws(FileFault) -> [(name: String, type: UInt8)] {
    guard let stream = opendir(path) else { throw FileFault("open", path) }
    defer { closedir(stream) }
    var entries: [(name: String, type: UInt8)] = []
    errno = 0
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { entries.append((name, entry.pointee.d_type)) }
      errno = 0
    }
    guard errno == 0 else { throw FileFault("read", path) }
    return entries
  }

  /// Removes a directory with everything in it, following no link.
  ///
  /// Of a link at `path` itself the link goes, and what it leads to stays. What cannot be removed is left.
  package static func removeTree(_ path: String) {
    var path = path
    // With a slash behind it a link stands for what it leads to (path_resolution(7)).
    while path.utf8.count > 1, path.utf8.last == UInt8(ascii: "/") {
      path.unicodeScalars.removeLast()
    }
    guard isDirectory(UInt8(DT_UNKNOWN), path), let entries = try? entries(of: path) else {
      unlink(path)
      return
    }
    for (name, type) in entries {
      if isDirectory(type, path + "/" + name) {
        removeTree(path + "/" + name)
      } else {
        unlink(path + "/" + name)
      }
    }
    rmdir(path)
  }
}
