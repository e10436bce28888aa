import EdgeEngine
import Glibc

/// A connection to a TPM 2.0 chip, for the time of a few commands; blocks.
///
/// Commands go over it as bytes: a few suffice, and so a program without TPM libraries can give them.
final class ChipChannel {
  /// Why the chip was not reached.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  private let file: Int32
  /// A chip takes that long to make a key at worst.
  private static let milliseconds: Int32 = 60_000

  /// Connects.
  init(_ address: ChipSettings.Address) throws(Failure) {
    switch address {
    case .device(let path):
      file = open(path, O_RDWR | O_CLOEXEC)
      guard file >= 0 else { throw Self.failure("open", path) }
    case .unix(let path):
      file = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
      guard file >= 0 else { throw Self.failure("make a socket for", path) }
      var name = sockaddr_un()
      name.sun_family = sa_family_t(AF_UNIX)
      let bytes = Array(path.utf8.prefix(107))
      withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
      let isConnected = withUnsafePointer(to: &name) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(file, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
        }
      }
      guard isConnected else { throw Self.leaving(file, "connect to", path) }
    case .tcp(let host, let port):
      file = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
      guard file >= 0 else { throw Self.failure("make a socket for", host) }
      var name = sockaddr_in()
      name.sin_family = sa_family_t(AF_INET)
      name.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
      guard inet_pton(AF_INET, host, &name.sin_addr) == 1 else {
        close(file)
        throw Failure(description: "tpm.tcti: host must be an IPv4 address, not \(host)")
      }
      let isConnected = withUnsafePointer(to: &name) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
      }
      guard isConnected else { throw Self.leaving(file, "connect to", "\(host):\(port)") }
    }
  }

  deinit { close(file) }

  /// Gives a command and waits for its answer.
  ///
  /// - Throws: `Failure`, or `TPMAnswer.Fault`.
  func perform(_ command: TPMCommand) throws -> TPMAnswer {
    var sent = 0
    while sent < command.bytes.count {
      let count = command.bytes.withUnsafeBytes { bytes in
        write(file, bytes.baseAddress?.advanced(by: sent), bytes.count - sent)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Self.failure("write to", "the TPM") }
      sent += count
    }
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: TPMAnswer.byteLimit)
    while true {
      if answer.count >= TPMAnswer.headByteCount {
        guard let size = TPMAnswer.byteCount(answer.span), answer.count <= size else {
          throw TPMAnswer.Fault.malformed
        }
        if answer.count == size { break }
      }
      var wish = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
      let ready = poll(&wish, 1, Self.milliseconds)
      if ready < 0, errno == EINTR { continue }
      guard ready > 0 else { throw Failure(description: "the TPM does not answer") }
      let count = read(file, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Self.failure("read from", "the TPM") }
      answer += buffer[..<count]
    }
    return try TPMAnswer(answer.span, to: command)
  }

  private static func failure(_ what: String, _ where: String) -> Failure {
    Failure(description: "cannot \(what) \(`where`): \(String(cString: strerror(errno)))")
  }

  private static func leaving(_ file: Int32, _ what: String, _ where: String) -> Failure {
    let failure = failure(what, `where`)
    close(file)
    return failure
  }
}
