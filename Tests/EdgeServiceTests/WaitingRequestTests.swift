import EdgeService
import Glibc
import Platform
import Testing

@Suite("Requests that wait for an EST server (RFC 7030 §4.2.3)")
struct WaitingRequestTests {
  private func request(now: Int64 = 1_000, retryAfter: Int64? = nil) throws -> WaitingRequest {
    let made = try CertificateMaker.makeRequest(commonName: "d", isAuthority: false)
    return WaitingRequest(
      request: made.request,
      privateKeyPEM: made.privateKeyPEM,
      call: "simpleenroll",
      question: "https://ca.example/.well-known/est d 1",
      now: now,
      retryAfterSeconds: retryAfter
    )
  }

  @Test("it is kept with its key, for its owner alone, and read back as it was")
  func keeping() throws {
    let directory = try TemporaryDirectory()
    let file = directory.path + "/identity.pem.request"
    let first = try request(retryAfter: 600)
    try first.store(file)
    #expect(WaitingRequest(file: file) == first)
    var information = stat()
    #expect(stat(file, &information) == 0 && information.st_mode & 0o777 == 0o600)
    #expect(WaitingRequest(file: file + "s") == nil)
  }

  @Test("a file that is damaged is none", arguments: ["asked", "call", "since", "due", "request"])
  func damage(_ line: String) throws {
    let directory = try TemporaryDirectory()
    let file = directory.path + "/request"
    try request().store(file)
    let text = String(decoding: try PrivateFile.read(file), as: UTF8.self)
    for other in [text.replacing("\(line) ", with: "\(line)-"), String(text.prefix(60)), ""] {
      try PrivateFile.replace(file, with: Array(other.utf8))
      #expect(WaitingRequest(file: file) == nil)
    }
    #expect(PrivateFile.exists(directory.path))
  }

  @Test(
    "the server says how long to wait, between a minute and a day",
    arguments: [
      (nil, 60), (-1, 60), (0, 60), (59, 60), (61, 61), (86_400, 86_400), (86_401, 86_400),
      (Int64.max, 86_400),
    ] as [(Int64?, Int64)]
  )
  func waits(_ asked: Int64?, _ expected: Int64) throws {
    var waiting = try request(retryAfter: asked)
    #expect(waiting.dueSeconds == 1_000 + expected)
    #expect(!waiting.isDue(999 + expected) && waiting.isDue(1_000 + expected))
    waiting.wait(asked, now: 5_000)
    #expect(waiting.dueSeconds == 5_000 + expected && waiting.sinceSeconds == 1_000)
  }

  @Test("a clock that was set back does not make it wait longer than a day")
  func clock() throws {
    let waiting = try request(now: 1_000_000, retryAfter: 600)
    #expect(waiting.isDue(0))
    #expect(!waiting.isDue(1_000_000 - 80_000))
  }

  @Test("Retry-After is a number of seconds or a time")
  func retryAfter() {
    let date: Int64 = 784_111_777
    #expect(HTTPDate.delay("120", from: date) == 120)
    #expect(HTTPDate.delay("-5", from: date) == 0)
    #expect(HTTPDate.delay("Sun, 06 Nov 1994 08:51:37 GMT", from: date) == 120)
    #expect(HTTPDate.delay("Sun, 06 Nov 1994 08:49:30 GMT", from: date) == 0)
    #expect(HTTPDate.delay("soon", from: date) == nil)
  }
}
