import Glibc
import Platform

/// A directory that goes with the value.
final class TemporaryDirectory {
  let path: String

  init() throws {
    var template = Array("/tmp/orrery-edge-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw FileFault("make", "/tmp") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { PrivateFile.removeTree(path) }

  /// The access bits of something in it.
  func mode(_ name: String) -> mode_t {
    var status = stat()
    guard stat("\(path)/\(name)", &status) == 0 else { return 0 }
    return status.st_mode & 0o777
  }
}
