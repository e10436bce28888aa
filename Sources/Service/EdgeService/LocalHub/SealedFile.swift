import Platform

/// A file that only this edge can read.
struct SealedFile: Sendable {
  let path: String
  private let seal: StateSeal

  /// A file at `path`.
  init(_ path: String, seal: StateSeal) {
    self.path = path
    self.seal = seal
  }

  private var name: String { String(path.split(separator: "/").last ?? "") }

  /// What is in it, nil if there is none.
  ///
  /// - Throws: `StateSeal.Damaged`, or `FileFault` for what the system refuses.
  func read() throws -> [UInt8]? {
    guard PrivateFile.exists(path) else { return nil }
    return try seal.open(try PrivateFile.read(path, limit: 256 << 20), as: name)
  }

  /// Replaces what is in it, durably.
  ///
  /// - Throws: `FileFault`.
  func write(_ bytes: [UInt8]) throws {
    try PrivateFile.replace(path, with: try seal.seal(bytes, as: name))
  }
}
