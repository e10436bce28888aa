import Platform
import Testing

@Suite("Backups: whole, checked, restored")
struct BackupTests {
  private func sealed(in directory: TemporaryDirectory) throws -> String {
    let backup = directory.path + "/backup"
    try PrivateFile.makeDirectory(backup + "/log")
    try PrivateFile.replace(backup + "/registry.sqlite", with: Array(repeating: 7, count: 100_000))
    try PrivateFile.replace(backup + "/log/0", with: [1, 2, 3])
    try Backup.seal(backup, files: ["registry.sqlite", "log/0"], time: "2026-01-01T00:00:00Z")
    return backup
  }

  @Test("what was sealed is laid out byte for byte")
  func restores() throws {
    let directory = try TemporaryDirectory()
    let target = directory.path + "/data"
    let files = try Backup.restore(try sealed(in: directory), to: target)
    #expect(files == ["registry.sqlite", "log/0"])
    #expect(try PrivateFile.read(target + "/log/0") == [1, 2, 3])
    #expect(try PrivateFile.read(target + "/registry.sqlite").count == 100_000)
  }

  @Test("plain files are listed by name; folders and what is made anew are not")
  func files() throws {
    let directory = try TemporaryDirectory()
    for name in ["b", "a", ".spare"] {
      try PrivateFile.replace(directory.path + "/" + name, with: [1])
    }
    try PrivateFile.makeDirectory(directory.path + "/c")
    #expect(try Backup.files(in: directory.path) == ["a", "b"])
  }

  @Test("a changed byte, a missing file and a missing manifest are refused by name")
  func refusals() throws {
    let directory = try TemporaryDirectory()
    let backup = try sealed(in: directory)
    try PrivateFile.replace(backup + "/log/0", with: [1, 2, 4])
    #expect {
      _ = try Backup.verify(backup)
    } throws: {
      "\($0)".contains("log/0")
    }
    PrivateFile.removeTree(backup + "/log/0")
    #expect(throws: FileFault.self) { _ = try Backup.verify(backup) }
    PrivateFile.removeTree(backup + "/backup.json")
    #expect {
      _ = try Backup.verify(backup)
    } throws: {
      "\($0)".contains("backup.json")
    }
  }

  @Test("a path that leads out of the backup is refused")
  func escapes() throws {
    let directory = try TemporaryDirectory()
    let backup = directory.path + "/b"
    try PrivateFile.makeDirectory(backup)
    let text = """
      {"version":1,"files":[{"path":"../secret","bytes":1,"sha256":"00"}]}
      """
    try PrivateFile.replace(backup + "/backup.json", with: Array(text.utf8))
    #expect(throws: SettingsFault.self) { _ = try Backup.verify(backup) }
  }

  @Test("a directory that holds a hub's data is not written over")
  func keeps() throws {
    let directory = try TemporaryDirectory()
    let target = directory.path + "/data"
    try PrivateFile.makeDirectory(target)
    try PrivateFile.replace(target + "/registry.sqlite", with: [9])
    #expect(throws: SettingsFault.self) {
      _ = try Backup.restore(try sealed(in: directory), to: target)
    }
    #expect(try PrivateFile.read(target + "/registry.sqlite") == [9])
  }
}

@Suite("The lock of a data directory")
struct DirectoryLockTests {
  @Test("a second holder is refused and told who holds it; after the first it may")
  func excludes() throws {
    let directory = try TemporaryDirectory()
    var first: DirectoryLock? = try DirectoryLock(directory: directory.path)
    #expect(first != nil)
    #expect {
      _ = try DirectoryLock(directory: directory.path)
    } throws: {
      "\($0)".contains("in use by process")
    }
    first = nil
    _ = try DirectoryLock(directory: directory.path)
  }
}
