import ByteIO
import Crypto
import Glibc
import JSONTree

/// Copies of a hub's data that can be checked before they are used.
///
/// A backup is a directory with the files and `backup.json`, which names every file with its size
/// and SHA-256 and is written last: without it the copy is not whole.
package enum Backup {
  private static let manifest = "backup.json"
  private static let version: Int64 = 1

  /// Copies the file at `source` to `target`, at most `limit` bytes of it, and syncs the copy.
  ///
  /// Throws a `FileFault`; the source may grow meanwhile, what it has at the start is copied.
  package static func copy(_ source: String, to target: String) throws(FileFault) {
    let input = open(source, O_RDONLY | O_CLOEXEC)
    guard input >= 0 else { throw FileFault("open", source) }
    defer { close(input) }
    let output = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600))
    guard output >= 0 else { throw FileFault("create", target) }
    defer { close(output) }
    var left = lseek(input, 0, SEEK_END)
    lseek(input, 0, SEEK_SET)
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    while left > 0 {
      let count = read(input, &chunk, min(chunk.count, Int(left)))
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw FileFault("read", source) }
      if count == 0 { break }
      left -= off_t(count)
      try PrivateFile.write(chunk.span.extracting(0..<count), to: output, at: target)
    }
    guard fsync(output) == 0 else { throw FileFault("sync", target) }
  }

  /// Names of the plain files in `directory`, sorted.
  ///
  /// Hidden ones are left out: they are made anew, such as the log's spare segment.
  package static func files(in directory: String) throws(FileFault) -> [String] {
    var names: [String] = []
    for (name, type) in try PrivateFile.entries(of: directory) {
      let isPlain = type == UInt8(DT_REG) || type == UInt8(DT_UNKNOWN)
      if isPlain, !name.hasPrefix("."), !PrivateFile.isDirectory(type, directory + "/" + name) {
        names.append(name)
      }
    }
    return names.sorted()
  }

  /// Completes the backup in `directory`: writes what `files` (paths inside it) are.
  package static func seal(_ directory: String, files: [String], time: String) throws(FileFault) {
    var entries: [JSONValue] = []
    for file in files {
      let (size, digest) = try digest(directory + "/" + file)
      entries.append([
        "path": .string(file), "bytes": .int(size), "sha256": .string(digest),
      ])
    }
    var object = JSONObject()
    object["version"] = .int(version)
    object["time"] = .string(time)
    object["files"] = .array(entries)
    let text = [UInt8](JSON.prettyText(.object(object)).utf8)
    try PrivateFile.replace(directory + "/" + manifest, with: text)
  }

  /// Checks the backup in `directory`, every byte of it, and answers its files.
  ///
  /// Throws a `SettingsFault` that names what is missing or differs, or a `FileFault`.
  package static func verify(_ directory: String) throws -> [String] {
    let path = directory + "/" + manifest
    guard PrivateFile.exists(path) else {
      throw SettingsFault("\(directory) holds no whole backup: \(manifest) is missing")
    }
    guard let object = (try? JSON.parse(PrivateFile.read(path)))?.objectValue,
      object["version"]?.int64Value == version, let entries = object["files"]?.arrayValue
    else { throw SettingsFault("\(path) cannot be read by this version") }
    return try entries.map { entry in
      guard let file = entry["path"]?.stringValue, let size = entry["bytes"]?.int64Value,
        let sha256 = entry["sha256"]?.stringValue, file.utf8.first != UInt8(ascii: "/"),
        !file.utf8.split(separator: UInt8(ascii: "/")).contains(where: {
          $0.elementsEqual("..".utf8)
        })
      else { throw SettingsFault("\(path) has an entry that cannot be read") }
      let found = try digest(directory + "/" + file)
      guard found.size == size, found.digest == sha256 else {
        throw SettingsFault("\(directory)/\(file) is not what was backed up; use another backup")
      }
      return file
    }
  }

  /// Lays the backup in `directory` out as a new data directory.
  ///
  /// Throws a `SettingsFault` if the backup is damaged or the target holds data already.
  package static func restore(_ directory: String, to target: String) throws -> [String] {
    let files = try verify(directory)
    guard !PrivateFile.exists(target + "/registry.sqlite") else {
      throw SettingsFault("\(target) holds a hub's data already: name a directory that is new")
    }
    try PrivateFile.makeDirectory(target)
    for file in files {
      if let slash = file.lastIndex(of: "/") {
        try PrivateFile.makeDirectory(target + "/" + String(file[..<slash]))
      }
      try copy(directory + "/" + file, to: target + "/" + file)
      try PrivateFile.syncDirectory(of: target + "/" + file)
    }
    return files
  }

  private static func digest(_ path: String) throws(FileFault) -> (size: Int64, digest: String) {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw FileFault("open", path) }
    defer { close(file) }
    var hash = SHA256()
    var size: Int64 = 0
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = read(file, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw FileFault("read", path) }
      if count == 0 { break }
      size += Int64(count)
      chunk.withUnsafeBytes {
        hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[..<count]))
      }
    }
    return (size, Hex.encode(hash.finalize()))
  }
}
