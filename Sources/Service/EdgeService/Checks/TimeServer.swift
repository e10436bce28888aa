import Glibc
import Platform

/// A time server that is asked once (RFC 4330).
package struct TimeServer {
  private let host: String
  private let port: String

  private static let seconds = 5
  /// Seconds from 1900 to 1970.
  private static let epoch = 2_208_988_800.0

  /// `host` or `host:port`.
  package init(_ text: String) throws(CheckFault) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2, let first = parts.first, !first.isEmpty,
      parts.count == 1 || UInt16(parts[1]) != nil
    else { throw CheckFault("it is written as HOST or HOST:PORT") }
    host = String(first)
    port = parts.count == 2 ? String(parts[1]) : "123"
  }

  /// How many seconds this machine's clock is behind the server's; blocks for some seconds at most.
  package func clockError() throws(CheckFault) -> Double {
    var list: UnsafeMutablePointer<addrinfo>?
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
    let status = getaddrinfo(host, port, &hints, &list)
    guard status == 0, let entry = list?.pointee else {
      throw CheckFault(String(cString: gai_strerror(status)))
    }
    defer { freeaddrinfo(list) }
    let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let file = socket(entry.ai_family, kind, 0)
    guard file >= 0 else { throw Self.fault() }
    defer { close(file) }
    var limit = timeval(tv_sec: Self.seconds, tv_usec: 0)
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    // A client of version 4; the server sends the random transmit time back.
    let mark = Entropy.bytes(8)
    let question: [UInt8] = [0x23] + [UInt8](repeating: 0, count: 39) + mark
    guard Glibc.connect(file, entry.ai_addr, entry.ai_addrlen) == 0 else { throw Self.fault() }
    let begun = Double(SystemClock.wallMilliseconds()) / 1_000
    guard send(file, question, question.count, 0) == question.count else { throw Self.fault() }
    var answer = [UInt8](repeating: 0, count: 256)
    let count = recv(file, &answer, answer.count, 0)
    guard count >= 0 else { throw Self.fault() }
    let ended = Double(SystemClock.wallMilliseconds()) / 1_000
    guard let time = Self.time(Array(answer[..<count]), mark: mark) else {
      throw CheckFault("its answer is no time")
    }
    return time - (begun + ended) / 2
  }

  /// Seconds since 1970 in a server's answer; nil for what is none, or is no answer to `mark`.
  package static func time(_ answer: [UInt8], mark: [UInt8]) -> Double? {
    guard answer.count >= 48, answer[0] & 7 == 4, answer[1] != 0,
      answer[24..<32].elementsEqual(mark)
    else { return nil }
    func number(_ range: Range<Int>) -> Double {
      answer[range].reduce(0) { $0 * 256 + Double($1) }
    }
    let seconds = number(40..<44)
    // It comes round in 2036.
    let era = answer[40] & 0x80 == 0 ? 4_294_967_296.0 : 0
    return seconds + era - epoch + number(44..<48) / 4_294_967_296
  }

  private static func fault() -> CheckFault {
    errno == EAGAIN
      ? CheckFault("no answer within \(seconds) s") : CheckFault(String(cString: strerror(errno)))
  }
}
