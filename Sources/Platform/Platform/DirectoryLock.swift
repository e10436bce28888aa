import Glibc
import Synchronization

/// Keeps a second process out of a data directory until it is released, or this value goes (flock(2)).
package final class DirectoryLock: Sendable {
  private let descriptor: Mutex<Int32?>

  /// Takes the lock of `directory`, without waiting.
  ///
  /// Throws a `SettingsFault` that says who holds it, or a `FileFault`.
  package init(directory: String) throws {
    let path = directory + "/lock"
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode_t(0o600))
    guard descriptor >= 0 else { throw FileFault("open", path) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let isHeld = errno == EWOULDBLOCK
      let failure = FileFault("lock", path)
      var text = [UInt8](repeating: 0, count: 32)
      let count = read(descriptor, &text, text.count)
      close(descriptor)
      guard isHeld else { throw failure }
      let holder = String(decoding: text[..<max(0, count)], as: UTF8.self)
      throw SettingsFault(
        "\(directory) is in use by process \(holder.isEmpty ? "unknown" : holder)",
        remedy: "Stop that hub, or give this one another directory with --data."
      )
    }
    ftruncate(descriptor, 0)
    let number = "\(getpid())"
    _ = write(descriptor, number, number.utf8.count)
    self.descriptor = Mutex(descriptor)
  }

  /// Lets others in; what the lock protected is closed.
  package func release() {
    descriptor.withLock { descriptor in
      if let descriptor { close(descriptor) }
      descriptor = nil
    }
  }

  deinit { release() }
}
