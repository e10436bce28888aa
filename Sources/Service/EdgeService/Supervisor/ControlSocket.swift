package import ByteIO
import CLinux
package import Glibc
package import Platform

/// The supervisor's socket: takes a line from whom the supervisor belongs to, or from the agent, and
/// answers with a line.
///
/// Nothing here waits: a peer that is slow, talks too much or does not read is dropped. Whatever others
/// do, there is room for whom the supervisor belongs to.
package struct ControlSocket {
  private struct Peer {
    let file: Int32
    let deadline: Instant
    /// Whether it is whom the supervisor belongs to, and not the agent.
    let isOwner: Bool
    var bytes: [UInt8] = []
  }

  private static let peerLimit = 8
  /// How many of them may be somebody else than whom the supervisor belongs to; one more is dropped.
  private static let guestLimit = 4
  /// Connections that are taken at once: whoever makes them without end must not keep the supervisor
  /// from its processes.
  private static let acceptLimit = 32
  private static let milliseconds: UInt64 = 2_000

  private let listener: Int32
  /// The agent's user, where it has one of its own.
  private let agent: EdgeUsers.User?
  private var peers: [Peer] = []

  /// Opens the socket at `path`, where an old one gives way; only this process's user and the agent's
  /// can connect.
  package init(path: String, agent: EdgeUsers.User?) throws(FileFault) {
    guard var address = UnixAddress(path) else { throw FileFault("make", path, ENAMETOOLONG) }
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let file = socket(AF_UNIX, kind | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard file >= 0 else { throw FileFault("make", path) }
    unlink(path)
    // Nobody else's from its first moment on.
    let mask = umask(0o177)
    let isBound = address.with { bind(file, $0, $1) } == 0
    let number = errno
    umask(mask)
    guard isBound, listen(file, Int32(Self.peerLimit)) == 0 else {
      close(file)
      throw FileFault("listen on", path, number)
    }
    // Only then 0660. The keys process is in that group too; who it is decides.
    if let agent, chown(path, uid_t.max, agent.group) != 0 || chmod(path, 0o660) != 0 {
      let number = errno
      close(file)
      throw FileFault("give away", path, number)
    }
    listener = file
    self.agent = agent
  }

  package func end() {
    for peer in peers { close(peer.file) }
    close(listener)
  }

  /// What to wait for; who comes while there are too many waits himself.
  package var files: [Int32] {
    (peers.count < Self.peerLimit ? [listener] : []) + peers.map(\.file)
  }

  /// When `serve` is to be called at the latest.
  var nextDeadline: Instant? { peers.map(\.deadline).min() }

  /// Takes what has come, and hands each whole line to `answer`, with whether it is from whom the
  /// supervisor belongs to.
  ///
  /// Of the agent's user only `agentProcess` is heard: its modules may have the same user.
  package mutating func serve(
    now: Instant,
    agentProcess: Int32?,
    answer: ([UInt8], _ isOwner: Bool) -> [UInt8]
  ) {
    accept(now: now, agentProcess)
    var open: [Peer] = []
    for var peer in peers {
      if Self.read(&peer, answer) || peer.deadline <= now {
        close(peer.file)
      } else {
        open.append(peer)
      }
    }
    peers = open
  }

  private mutating func accept(now: Instant, _ agentProcess: Int32?) {
    var left = Self.acceptLimit
    while peers.count < Self.peerLimit, left > 0 {
      left -= 1
      let file = Glibc.accept(listener, nil, nil)
      guard file >= 0 else { return }
      _ = fcntl(file, F_SETFD, FD_CLOEXEC)
      _ = fcntl(file, F_SETFL, O_NONBLOCK)
      let user = clinux_peer_user(file)
      let isOwner = user == 0 || user == Int64(geteuid())
      let isAgent =
        user == agent.map({ Int64($0.user) })
        && clinux_peer_process(file) == agentProcess.map(Int64.init)
      let hasRoom = peers.count { !$0.isOwner } < Self.guestLimit
      // Closed and not left waiting: behind it might be whom the supervisor belongs to.
      guard isOwner || isAgent && hasRoom else {
        close(file)
        continue
      }
      let deadline = now.adding(milliseconds: Self.milliseconds)
      peers.append(Peer(file: file, deadline: deadline, isOwner: isOwner))
    }
  }

  /// Whether the peer has been answered or has gone.
  private static func read(
    _ peer: inout Peer,
    _ answer: ([UInt8], _ isOwner: Bool) -> [UInt8]
  ) -> Bool {
    var chunk = [UInt8](repeating: 0, count: SupervisorOrder.byteLimit + 1)
    while true {
      let count = recv(peer.file, &chunk, chunk.count, 0)
      if count < 0 { return errno != EAGAIN && errno != EINTR }
      guard count > 0 else { return true }
      peer.bytes += chunk[..<count]
      if let end = peer.bytes.firstIndex(of: 0x0A) {
        let line = answer(Array(peer.bytes[..<end]), peer.isOwner) + [0x0A]
        // Less than a socket's buffer.
        _ = send(peer.file, line, line.count, Int32(MSG_NOSIGNAL))
        return true
      }
      guard peer.bytes.count <= SupervisorOrder.byteLimit else { return true }
    }
  }
}

/// The address of a unix socket.
package struct UnixAddress {
  private var address = sockaddr_un()

  /// Nil for a path that is too long.
  package init?(_ path: String) {
    address.sun_family = sa_family_t(AF_UNIX)
    let name = Array(path.utf8)
    guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
  }

  /// Hands the address to a system call.
  package mutating func with(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}
