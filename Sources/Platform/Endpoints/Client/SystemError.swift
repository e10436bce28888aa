import Glibc
import NIOCore

/// Texts for people of what the system says about connections.
package enum SystemError {
  /// What the system calls it, without what the network library adds.
  package static func text(_ error: any Error) -> String {
    guard let error = error as? IOError else { return "\(error)" }
    return String(cString: strerror(error.errnoCode))
  }
}
