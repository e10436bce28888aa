import ByteIO
import EdgeService
import Glibc
import Platform
import Testing

@Suite("The supervisor's socket", .timeLimit(.minutes(1)))
struct ControlSocketTests {
  private static let agent: UInt32 = 61_234

  /// A connection of this process, which is root and so the owner; it waits for nothing.
  private func connection(to path: String) throws -> Int32 {
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let file = socket(AF_UNIX, kind, 0)
    var address = try #require(UnixAddress(path))
    let status = address.with { connect(file, $0, $1) }
    try #require(status == 0)
    return file
  }

  @Test(
    "an agent that takes all connections it can get leaves room for root, and they end by themselves",
    .enabled(if: geteuid() == 0)
  )
  func roomForTheOwner() throws {
    let directory = try TemporaryDirectory()
    chmod(directory.path, 0o711)
    let path = directory.path + "/supervisor.sock"
    var control = try ControlSocket(
      path: path,
      agent: EdgeUsers.User(user: Self.agent, group: Self.agent, groups: [Self.agent])
    )
    defer { control.end() }
    let script =
      "import os, socket, sys, time; os.setgid(\(Self.agent)); os.setuid(\(Self.agent)); "
      + "held = [socket.socket(socket.AF_UNIX) for _ in range(8)]; "
      + "[one.connect(sys.argv[1]) for one in held]; print(os.getpid(), flush=True); time.sleep(50)"
    guard let stream = popen("exec python3 -c '\(script)' '\(path)'", "r") else {
      throw FileFault("run", "python3")
    }
    defer { pclose(stream) }
    var line = [CChar](repeating: 0, count: 32)
    let isTold = fgets(&line, 32, stream) != nil
    try #require(isTold)
    let digits = line.prefix { (48...57).contains($0) }.map { UInt8(bitPattern: $0) }
    let process = try #require(Int32(String(decoding: digits, as: UTF8.self)))
    defer { kill(process, SIGKILL) }

    let now = SystemClock.now()
    var orders: [Bool] = []
    control.serve(now: now, agentProcess: process) { _, isOwner in
      orders.append(isOwner)
      return []
    }
    // Four of eight, and the socket itself.
    #expect(control.files.count == 5)

    let file = try connection(to: path)
    defer { close(file) }
    #expect(send(file, "{}\n", 3, 0) == 3)
    control.serve(now: now, agentProcess: process) { line, isOwner in
      orders.append(isOwner)
      return line
    }
    #expect(orders == [true])
    var answer = [UInt8](repeating: 0, count: 8)
    #expect(recv(file, &answer, 8, 0) == 3)

    control.serve(now: now.adding(milliseconds: 2_001), agentProcess: process) { _, _ in [] }
    #expect(control.files.count == 1)
  }
}
