import Platform

/// A directory that goes with this value.
final class TemporaryDirectory: Sendable {
  let path: String

  init(in folder: String = "/tmp") throws {
    let name = Entropy.bytes(8).map { String($0, radix: 16) }.joined()
    path = folder + "/orrery-test-" + name
    try PrivateFile.makeDirectory(path)
  }

  deinit { PrivateFile.removeTree(path) }
}
