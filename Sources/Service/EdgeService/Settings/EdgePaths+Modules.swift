import ByteIO
import Platform

extension EdgePaths {
  /// What surrounds a module's socket directory; closed to other modules.
  package func workloadEnclosure(of moduleID: String) -> String {
    workload + "/" + Self.directoryName(of: moduleID)
  }

  /// The directory that a module is given, with its socket in it: what a container runtime mounts.
  package func workloadDirectory(of moduleID: String) -> String {
    workloadEnclosure(of: moduleID) + "/s"
  }

  /// The module's workload socket.
  package func workloadSocket(of moduleID: String) -> String {
    workloadDirectory(of: moduleID) + "/" + Self.socketName
  }

  /// A directory's name for a module: its ID where that is short and harmless, else a hash of it.
  ///
  /// An ID may have 128 characters, `.` and `..` are IDs, and a path of a socket has 107 bytes. A hash
  /// begins with a character that no other name has, so that no ID can be another's hash.
  static func directoryName(of moduleID: String) -> String {
    let bytes = moduleID.utf8
    let isHarmless =
      (1...nameLimit).contains(bytes.count) && bytes.first != UInt8(ascii: ".")
      && bytes.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
          UInt8(ascii: "."), UInt8(ascii: "$"):
          true
        default: false
        }
      }
    return isHarmless ? moduleID : "%" + Hex.encode(Hashing.sha256(Array(bytes)).prefix(16))
  }
}
