import Platform

/// A directory that goes with this value.
final class TemporaryDirectory: Sendable {
  let path: String

  init() throws {
    let name = Entropy.bytes(8).map { String($0, radix: 16) }.joined()
    path = "/tmp/orrery-test-" + name
    try PrivateFile.makeDirectory(path)
  }

  deinit { PrivateFile.removeTree(path) }
}
