import Glibc
package import JSONTree
import Platform

/// Asks the supervisor over its socket; waits for a few seconds at most.
package enum SupervisorClient {
  /// Why there is no answer.
  package struct Failure: Error, Equatable, CustomStringConvertible {
    package let description: String
    package let remedy: String?
    /// Whether this user may not ask.
    package var isForbidden = false

    package init(description: String, remedy: String?, isForbidden: Bool = false) {
      (self.description, self.remedy, self.isForbidden) = (description, remedy, isForbidden)
    }
  }

  private static let seconds = 5
  private static let answerLimit = 131_072

  /// Gives an order.
  ///
  /// - Returns: The answer.
  /// - Throws: `Failure`; also for an answer that tells one.
  @discardableResult
  package static func ask(
    _ order: SupervisorOrder,
    at path: String
  ) throws(Failure) -> JSONValue {
    let file = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard file >= 0 else { throw failure(path) }
    defer { close(file) }
    var limit = timeval(tv_sec: seconds, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(file, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    guard var address = UnixAddress(path), address.with({ connect(file, $0, $1) }) == 0 else {
      throw failure(path)
    }
    let line = JSON.bytes(order.json) + [0x0A]
    guard send(file, line, line.count, Int32(MSG_NOSIGNAL)) == line.count else {
      throw failure(path)
    }
    var answer: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4_096)
    while answer.last != 0x0A {
      let count = recv(file, &chunk, chunk.count, 0)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw failure(path) }
      guard count > 0, answer.count <= answerLimit else {
        throw Failure(
          description: "the supervisor at \(path) does not answer",
          remedy: "Only the user that runs it, and root, may ask it.",
          isForbidden: true
        )
      }
      answer += chunk[..<count]
    }
    guard let value = try? JSON.parse(answer) else {
      throw Failure(description: "what listens at \(path) is no supervisor", remedy: nil)
    }
    if let message = value["error"]?.stringValue {
      throw Failure(description: message, remedy: nil)
    }
    return value
  }

  private static func failure(_ path: String) -> Failure {
    let number = errno
    let remedy =
      switch number {
      case ENOENT, ECONNREFUSED: "Does 'orrery-edge run' run, with this --run-dir?"
      case EACCES, EPERM: "Only the user that runs it, and root, may ask it: try sudo."
      default: nil as String?
      }
    return Failure(
      description:
        "the supervisor at \(path) cannot be asked: \(String(cString: strerror(number)))",
      remedy: remedy,
      isForbidden: number == EACCES || number == EPERM
    )
  }
}
