import ByteIO
package import Platform

/// A signing request that an EST server has accepted and not decided yet, such as one that a person has
/// to approve, with its key: the same one is sent again (202, RFC 7030 §4.2.3).
package struct WaitingRequest: Equatable, Sendable {
  /// Seconds that are waited between two times: the server says how many, within reason.
  private static let waits: ClosedRange<Int64> = 60...86_400

  /// The request, PKCS #10 in DER.
  package let request: [UInt8]
  package let privateKeyPEM: String
  /// The call that took it, such as `simpleenroll`.
  package let call: String
  /// What was asked for, and where.
  package let question: String
  /// When it was accepted first, seconds since 1970.
  package let sinceSeconds: Int64
  /// When it is sent again, seconds since 1970.
  package private(set) var dueSeconds: Int64

  package init(
    request: [UInt8],
    privateKeyPEM: String,
    call: String,
    question: String,
    now: Int64,
    retryAfterSeconds: Int64?
  ) {
    self.request = request
    self.privateKeyPEM = privateKeyPEM
    self.call = call
    self.question = question
    sinceSeconds = now
    dueSeconds = now
    wait(retryAfterSeconds, now: now)
  }

  /// Lets it wait for as long as the server says, but at least a minute and at most a day.
  package mutating func wait(_ seconds: Int64?, now: Int64) {
    let seconds = min(max(seconds ?? 0, Self.waits.lowerBound), Self.waits.upperBound)
    dueSeconds = now + seconds
  }

  /// Whether it is time to send it again; also where the clock was set back behind its due time.
  package func isDue(_ now: Int64) -> Bool {
    now >= dueSeconds || dueSeconds - now > Self.waits.upperBound
  }

  /// Reads one, nil if there is none or it is damaged.
  package init?(file: String) {
    guard let bytes = try? PrivateFile.read(file, limit: 1 << 16) else { return nil }
    let text = String(decoding: bytes, as: UTF8.self)
    let lines = text.split(separator: "\n").prefix { !$0.hasPrefix("-----") }
    func value(_ name: String) -> Substring? {
      lines.first { $0.hasPrefix(name + " ") }?.dropFirst(name.utf8.count + 1)
    }
    guard let question = value("asked"), let call = value("call"),
      let since = value("since").flatMap({ Int64($0) }),
      let due = value("due").flatMap({ Int64($0) }), since >= 0, due >= 0,
      let request = value("request").flatMap({ Base64.decode(String($0)) }), !request.isEmpty,
      let privateKey = PEMText.privateKey(of: text)
    else { return nil }
    self.request = request
    privateKeyPEM = privateKey
    self.call = String(call)
    self.question = String(question)
    sinceSeconds = since
    dueSeconds = due
  }

  /// Keeps it, for its owner alone: it has the key.
  package func store(_ file: String) throws(FileFault) {
    let text = """
      asked \(question)
      call \(call)
      since \(sinceSeconds)
      due \(dueSeconds)
      request \(Base64.encode(request))
      \(privateKeyPEM)

      """
    try PrivateFile.replace(file, with: Array(text.utf8))
  }
}
