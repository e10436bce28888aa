import Logging
import Platform
import Synchronization

/// The authorities that vouch for leaf devices: those of the trust bundle in the settings (edge
/// contract section 5.2).
///
/// The edge's own authority is none of them: it signs for modules, under names that these choose.
final class LeafAuthorities: Sendable {
  /// Bytes of the file.
  private static let fileLimit = 1 << 20

  private struct Held {
    var bytes: [UInt8] = []
    var certificates: [[UInt8]] = []
    var told: String?
    /// What was there the last time that it held no authority.
    var empty: [UInt8]?
  }

  private let file: String?
  private let logger: Logger
  private let held = Mutex(Held())

  /// Those in the PEM file; without one there are none.
  init(file: String?, logger: Logger) {
    self.file = file
    self.logger = logger
    _ = reread()
  }

  /// The authorities, DER.
  var all: [[UInt8]] { held.withLock { $0.certificates } }

  /// Reads the file again; answers whether they are others now.
  ///
  /// While it can't be read, those of before count; so they do once where it holds none, because somebody
  /// may be writing it.
  func reread() -> Bool {
    guard let file else { return false }
    let bytes: [UInt8]
    do throws(FileFault) {
      bytes = try PrivateFile.read(file, limit: Self.fileLimit)
    } catch {
      tell("\(error)")
      return false
    }
    guard held.withLock({ $0.bytes != bytes }) else { return false }
    let certificates = PEMText.certificates(of: String(decoding: bytes, as: UTF8.self))
      .compactMap { PresentedCertificate(Array(PEMText.alone($0).utf8)) }
      .filter(\.isAuthority).map(\.der)
    guard !certificates.isEmpty else {
      tell("it holds no certificates of authorities in PEM")
      return held.withLock { held in
        guard held.empty == bytes, !held.certificates.isEmpty else {
          held.empty = bytes
          return false
        }
        held.certificates = []
        return true
      }
    }
    return held.withLock { held in
      held.told = nil
      held.bytes = bytes
      defer { held.certificates = certificates }
      return held.certificates != certificates
    }
  }

  private func tell(_ reason: String) {
    let isNew = held.withLock { held in
      defer { held.told = reason }
      return held.told != reason
    }
    guard isNew else { return }
    logger.error(
      "trust_bundle_cert: leaf devices are not known by certificates of its authorities",
      metadata: ["file": "\(file ?? "")", "reason": "\(reason)"]
    )
  }
}

extension PresentedCertificate {
  /// Why this is no leaf device's, although an authority of the trust bundle vouches for it; nil if it
  /// may be one.
  ///
  /// Where the edge CA is under the same root as the devices', what it signs for modules leads there
  /// too: servers' certificates, with any name that a module asks for, and modules' own.
  var refusalAsLeafDevice: String? {
    guard isForClients else { return "certificate not for clients" }
    guard !alternativeNames.contains(where: { $0.contains("azureiot://") }) else {
      return "certificate of a module"
    }
    return nil
  }
}
