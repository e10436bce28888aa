import ByteIO
import EdgeEngine
import HubContract
import MessageLog
import Platform

/// The stored twins of an edge's clients; used by one thread at a time.
final class TwinLog: @unchecked Sendable {
  private static let prefix = "twin/"

  // Protected by the mutex of the `TwinService` that owns it.
  private var log: StateLog<LinuxDisk>

  /// Opens or makes the log in `directory`.
  ///
  /// - Throws: `SettingsFault` for what can't be opened, and how to mend it.
  init(directory: String, isDurable: Bool) throws {
    try PrivateFile.makeDirectory(directory)
    do throws(LogFault) {
      log = try StateLog.open(
        LinuxDisk(directory: directory, isDurable: isDurable),
        salt: Entropy.bytes(8).reduce(0) { $0 << 8 | UInt64($1) },
        crc: Machine.crc32c()
      )
    } catch {
      throw SettingsFault(
        "the twins in \(directory) cannot be opened: \(error)",
        remedy: "It must be a directory of the user that runs the local hub, on a disk that works "
          + "and has room: ls -ld \(directory)."
      )
    }
  }

  /// Takes everything up into `cache`; answers what can't be read.
  func restore(into cache: inout TwinCache, _ seal: StateSeal) -> [String] {
    var records: [(key: String, value: [UInt8])] = []
    var unreadable: [String] = []
    do throws(LogFault) {
      try log.forEach { key, value in records.append((key, value.array())) }
    } catch {
      unreadable.append("\(error)")
    }
    for (key, value) in records {
      guard key.hasPrefix(Self.prefix),
        let identity = IdentityKey(clientID: String(key.dropFirst(Self.prefix.count))),
        let record = try? seal.open(value, as: key),
        (try? cache.restore(identity, record.span)) != nil
      else {
        unreadable.append(key)
        continue
      }
    }
    return unreadable
  }

  /// Makes durable what `actions` ask to keep, with one sync.
  ///
  /// - Throws: Why that can't be done; then none of it is kept.
  func keep(_ actions: [TwinAction], _ seal: StateSeal) throws {
    for action in actions {
      switch action {
      case .store(let identity, let record):
        let key = Self.prefix + identity.clientID
        let sealed = try seal.seal(record, as: key)
        try log.put(key, sealed.span)
      case .forget(let identity): try log.remove(Self.prefix + identity.clientID)
      default: break
      }
    }
    try log.commit(now: UInt64(clamping: SystemClock.wallMilliseconds()))
  }
}
