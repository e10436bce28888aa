import Glibc
import Platform

/// A file that a person has put beside the hub's data.
enum SecretFile {
  /// Bytes of a line at most.
  private static let lineBytes = 8192
  /// Bytes of certificates at most.
  private static let pemBytes = 256 << 10

  /// The certificates that are in it, and perhaps a key.
  static func pem(_ path: String) throws(FileFault) -> [UInt8] {
    try PrivateFile.read(path, limit: pemBytes)
  }

  /// What stands in it, without the blanks and line ends around it.
  static func line(_ path: String) throws(FileFault) -> [UInt8] {
    let bytes = try PrivateFile.read(path, limit: lineBytes)
    let line = Array(bytes.drop { $0 <= 0x20 }.reversed().drop { $0 <= 0x20 }.reversed())
    guard !line.isEmpty else { throw FileFault("take the one line that must be in", path, EINVAL) }
    return line
  }
}
