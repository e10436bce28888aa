import CLinux
import Glibc
import Platform

/// Unpacks the layers of an image, one over the other, into a folder that nobody else uses meanwhile
/// (OCI image specification 1.1, layer).
///
/// Nothing of a layer leads out of the folder: every path is resolved with the folder as root.
package struct LayerUnpacker {
  /// What all layers of an image may have together.
  package struct Budget {
    package var entries = 1_000_000
    package var bytes: Int64 = 32 << 30
    /// Bytes of the names of what layers take away, which are kept until it is done.
    package var missingBytes = 16 << 20

    package init() {}
  }

  /// A layer and what it has to be.
  package struct Layer: Equatable, Sendable {
    let path: String
    /// The digest of the file, and of its content.
    let digest, contentDigest: String

    package init(path: String, digest: String, contentDigest: String) {
      (self.path, self.digest, self.contentDigest) = (path, digest, contentDigest)
    }
  }

  /// What begins the names of files that say what is missing of lower layers.
  private static let whiteout = ".wh."
  private static let opaque = ".wh..wh..opq"

  private let root: Int32
  private let isRoot = geteuid() == 0
  /// The folder that was used last, which most often is the next one too.
  private var parent: (path: [String], file: Int32)?
  /// Folders that may be made although no entry names them.
  private var unnamedFolders: Int

  private init(root: Int32, unnamedFolders: Int) {
    self.root = root
    self.unnamedFolders = unnamedFolders
  }

  /// Unpacks `layers`, the lowest first, into the folder at `path`, which is made.
  ///
  /// - Throws: `RuntimeFault` for layers that are not what they have to be, or cannot be unpacked.
  package static func unpack(_ layers: [Layer], to path: String) throws {
    guard mkdir(path, 0o755) == 0 else { throw FileFault("make", path) }
    let root = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard root >= 0 else { throw FileFault("open", path) }
    defer { close(root) }
    // Whatever the umask takes away: users of the container have to get in.
    fchmod(root, 0o755)
    var budget = Budget()
    var unnamedFolders = budget.entries
    for layer in layers {
      let missing = try check(layer, &budget)
      try explained(layer) {
        var unpacker = LayerUnpacker(root: root, unnamedFolders: unnamedFolders)
        defer {
          unpacker.leaveParent()
          unnamedFolders = unpacker.unnamedFolders
        }
        for name in missing { try unpacker.remove(name) }
        let file = try LayerFile(layer.path, limit: .max)
        var tar = TarReader(file.next)
        while let entry = try tar.next() { try unpacker.put(entry, &tar) }
      }
    }
    // A module that is there after a power cut is there as a whole.
    guard clinux_sync_file_system(root) == 0 else { throw FileFault("sync", path) }
  }

  /// Reads a layer to its end, and so sees whether it is whole, and what it says.
  ///
  /// - Returns: the names of lower layers that it takes away; an empty last part is all that is in a
  ///   folder.
  @discardableResult
  package static func check(_ layer: Layer, _ budget: inout Budget) throws -> [[String]] {
    var missing: [[String]] = []
    var (entries, bytes) = (budget.entries, budget.bytes)
    var missingBytes = budget.missingBytes
    try explained(layer) {
      let file = try LayerFile(layer.path, limit: bytes)
      var tar = TarReader(file.next)
      while let entry = try tar.next() {
        entries -= 1
        bytes -= entry.size
        guard entries >= 0, bytes >= 0 else {
          throw TarReader.Malformed("the image is larger than is allowed")
        }
        guard let name = entry.path.last, name.hasPrefix(whiteout) else { continue }
        missingBytes -= entry.path.reduce(0) { $0 + $1.utf8.count + 32 }
        guard missingBytes >= 0 else {
          throw TarReader.Malformed("it takes away more than is allowed")
        }
        let parent = Array(entry.path.dropLast())
        if name == opaque {
          missing.append(parent + [""])
        } else {
          let gone = String(name.dropFirst(whiteout.count))
          guard !gone.isEmpty, gone != ".", gone != ".." else {
            throw TarReader.Malformed("it takes away what has no name")
          }
          missing.append(parent + [gone])
        }
      }
      // What pads the end counts for the digests too.
      while try file.next().isEmpty == false {}
      // What surrounds the files counts too.
      bytes = min(bytes, file.left)
      let found = file.digests
      guard found.stored == layer.digest, found.content == layer.contentDigest else {
        // It was good when it came: fetched again it is.
        if found.stored != layer.digest { unlink(layer.path) }
        throw TarReader.Malformed("its content has another digest than the image says")
      }
    }
    (budget.entries, budget.bytes, budget.missingBytes) = (entries, bytes, missingBytes)
    return missing
  }

  private static func explained(_ layer: Layer, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch let fault as TarReader.Malformed {
      throw RuntimeFault(.refused, "The layer \(layer.digest) cannot be used: \(fault).")
    } catch let fault as FileFault {
      throw RuntimeFault(.failed, "The layer \(layer.digest) cannot be unpacked: \(fault).")
    }
  }

  // MARK: Entries

  private mutating func put(_ entry: TarReader.Entry, _ tar: inout TarReader) throws {
    guard let name = entry.path.last else {
      guard entry.kind == .directory else {
        throw TarReader.Malformed("an entry that is no folder has no name")
      }
      return try own(root, entry)
    }
    if name.hasPrefix(Self.whiteout) { return }
    let parent = try folder(Array(entry.path.dropLast()))
    if entry.kind == .directory { return try putFolder(name, entry, in: parent) }
    try FileTree.remove(name, in: parent)
    switch entry.kind {
    case .directory: break
    case .file: try putFile(name, entry, &tar, in: parent)
    case .symbolicLink:
      guard symlinkat(entry.target, parent, name) == 0 else { throw FileFault("make", name) }
      if isRoot {
        let flags = Int32(AT_SYMLINK_NOFOLLOW)
        guard fchownat(parent, name, entry.user, entry.group, flags) == 0 else {
          throw FileFault("give away", name)
        }
      }
    case .hardLink:
      let target = try TarReader.parts(entry.target)
      guard let last = target.last, let from = try open(Array(target.dropLast())) else {
        throw TarReader.Malformed("\(name) is a link to what is not there")
      }
      defer { close(from) }
      guard linkat(from, last, parent, name, 0) == 0 else {
        throw TarReader.Malformed("\(name) is a link to what is not there")
      }
    case .fifo:
      guard mkfifoat(parent, name, 0o600) == 0 else { throw FileFault("make", name) }
      let file = openat(parent, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
      guard file >= 0 else { throw FileFault("open", name) }
      defer { close(file) }
      try own(file, entry)
    }
  }

  private func putFolder(_ name: String, _ entry: TarReader.Entry, in parent: Int32) throws {
    let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
    var file = openat(parent, name, flags)
    if file < 0 {
      try FileTree.remove(name, in: parent)
      guard mkdirat(parent, name, 0o700) == 0 else { throw FileFault("make", name) }
      file = openat(parent, name, flags)
    }
    guard file >= 0 else { throw FileFault("open", name) }
    defer { close(file) }
    try own(file, entry)
  }

  private func putFile(
    _ name: String,
    _ entry: TarReader.Entry,
    _ tar: inout TarReader,
    in parent: Int32
  ) throws {
    let file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw FileFault("make", name) }
    defer { close(file) }
    try tar.read { bytes in
      try bytes.withUnsafeBytes { bytes in
        var written = 0
        while written < bytes.count {
          let count = write(file, bytes.baseAddress.map { $0 + written }, bytes.count - written)
          if count < 0, errno == EINTR { continue }
          guard count > 0 else { throw FileFault("write", name) }
          written += count
        }
      }
    }
    try own(file, entry)
    let time = timespec(tv_sec: Int(entry.modified), tv_nsec: 0)
    _ = [time, time].withUnsafeBufferPointer { futimens(file, $0.baseAddress) }
  }

  /// Owner and mode; without rights over the machine everything is its own user's.
  private func own(_ file: Int32, _ entry: TarReader.Entry) throws {
    let name = entry.path.last ?? "/"
    if isRoot {
      guard fchown(file, entry.user, entry.group) == 0 else { throw FileFault("give away", name) }
    }
    // Behind the change of owner, which takes back some of it. Its own user must get in.
    let more: UInt32 = isRoot ? 0 : entry.kind == .directory ? 0o700 : 0o600
    guard fchmod(file, entry.mode | more) == 0 else { throw FileFault("set the mode of", name) }
  }

  // MARK: Folders

  /// Removes what a lower layer has.
  private mutating func remove(_ path: [String]) throws {
    guard let name = path.last, let folder = try open(Array(path.dropLast())) else { return }
    defer { close(folder) }
    if name.isEmpty {
      try FileTree.empty(folder)
    } else {
      try FileTree.remove(name, in: folder)
    }
  }

  /// The folder at `path`, which is made where it is missing.
  private mutating func folder(_ path: [String]) throws -> Int32 {
    // By bytes: names that look the same are others to the kernel.
    if let parent, parent.path.count == path.count,
      zip(parent.path, path).allSatisfy({ $0.utf8.elementsEqual($1.utf8) })
    {
      return parent.file
    }
    leaveParent()
    for count in stride(from: path.count, through: 0, by: -1) {
      guard let file = try open(Array(path[..<count])) else { continue }
      var deepest = file
      for name in path[count...] {
        let above = deepest
        defer { close(above) }
        unnamedFolders -= 1
        guard unnamedFolders >= 0 else {
          throw TarReader.Malformed("the image has more folders than are allowed")
        }
        guard mkdirat(above, name, 0o755) == 0 else { throw FileFault("make", name) }
        deepest = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard deepest >= 0 else { throw FileFault("open", name) }
        fchmod(deepest, 0o755)
      }
      parent = (path, deepest)
      return deepest
    }
    throw FileFault("open", path.joined(separator: "/"), ENOENT)
  }

  /// The folder at `path`, nil if there is none.
  private func open(_ path: [String]) throws -> Int32? {
    let name = path.isEmpty ? "." : path.joined(separator: "/")
    let file = clinux_open_in_root(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if file >= 0 { return file }
    if errno == ENOENT { return nil }
    throw FileFault("open", name)
  }

  private mutating func leaveParent() {
    if let parent { close(parent.file) }
    parent = nil
  }
}
