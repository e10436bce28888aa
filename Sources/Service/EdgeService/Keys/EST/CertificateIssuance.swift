import EdgeEngine
import HubContract
import Logging
import Platform

/// Keeps a certificate that an EST server issues (RFC 7030).
///
/// It asks for it, and for the next one while it is still good; what is there serves on where the
/// server does not answer.
struct CertificateIssuance: Sendable {
  /// What the certificate is for.
  enum Purpose: String, Sendable {
    /// The device proves itself with it.
    case identity = "identity"
    /// It signs for the local hub and modules.
    case authority = "edge CA"
  }

  /// Why there is no certificate, in words that hold no secret.
  struct Failure: Error, CustomStringConvertible {
    let description: String
    /// Whether the server does not take the request, or has answered it in vain: it is not sent again.
    var isFinal = false
    /// Seconds that the server wants not to be asked in.
    var retryAfterSeconds: Int64?
  }

  /// What asking has come to.
  private enum Outcome {
    case issued(KeptCertificate)
    case waits(WaitingRequest)
  }

  /// Seconds between two looks at whether it is time, and between tries while there is none at all.
  private static let interval: Duration = .seconds(5)

  let wanted: ESTCertificateSettings
  let purpose: Purpose
  /// Where it is kept.
  let file: String
  let settings: EdgeSettings
  let environment: [String: String]
  let time: KnownTime
  let logger: Logger

  /// That which is kept, whether it has ended or not; nil where there is none of what the settings ask
  /// for.
  var kept: KeptCertificate? {
    KeptCertificate(file: file).flatMap { $0.question == wanted.question ? $0 : nil }
  }

  /// Where a request is kept that the server has accepted and not decided yet.
  private var requestFile: String { file + ".request" }

  /// Keeps it until the task is cancelled.
  ///
  /// - Parameters:
  ///   - failed: Told each time why there is none.
  ///   - renewed: Called once another one has taken the place of one that was there.
  func run(
    failed: @Sendable (String) async -> Void = { _ in },
    renewed: @Sendable () async -> Void = {}
  ) async {
    var failure: (at: Int64, text: String)?
    var old = kept
    var waiting = keptRequest(old)
    while !Task.isCancelled {
      let now = time.judged
      if isDue(old, waiting, now, failure?.at) {
        do {
          switch try await obtain(old, waiting, now) {
          case .issued(let new):
            try new.store(file)
            forgetRequest()
            tellIssued(new)
            (failure, waiting) = (nil, nil)
            let isRenewal = old != nil
            old = new
            if isRenewal { await renewed() }
          case .waits(let request):
            keep(request, isNew: waiting == nil)
            waiting = request
            let text = "it has accepted the request (202), and not decided it yet"
            failure = (now.seconds, text)
            if old == nil { await failed(text) }
          }
        } catch {
          let text = "\(error)"
          if Task.isCancelled { return }
          let answer = error as? Failure
          if answer?.isFinal == true {
            waiting = nil
            forgetRequest()
          }
          waiting?.wait(answer?.retryAfterSeconds, now: now.seconds)
          if text != failure?.text { tell(text, old) }
          failure = (now.seconds, text)
          if old == nil { await failed(text) }
        }
      }
      try? await Pause.sleep(for: Self.interval)
    }
  }

  private func isDue(
    _ old: KeptCertificate?,
    _ waiting: WaitingRequest?,
    _ now: JudgedTime,
    _ failed: Int64?
  ) -> Bool {
    if let waiting { return waiting.isDue(now.seconds) }
    guard let old else { return true }
    let rule = RenewalRule(
      lifeSeconds: max(old.until - old.madeSeconds, 1),
      renewalPercent: wanted.renewalPercent,
      retryPercent: wanted.retryPercent
    )
    guard rule.isDue(made: old.madeSeconds, end: old.until, now: now, limit: old.until) else {
      return false
    }
    return failed.map { rule.isRetryDue(failed: $0, end: old.until, now: now) } ?? true
  }

  private func tellIssued(_ new: KeptCertificate) {
    logger.notice(
      "an EST server has issued a certificate",
      metadata: [
        "for": "\(purpose.rawValue)", "commonName": "\(new.certificate.commonName ?? "")",
        "until": "\(Timestamp(seconds: new.until).iso8601)",
      ]
    )
  }

  private func tell(_ reason: String, _ old: KeptCertificate?) {
    logger.error(
      old == nil
        ? "no certificate from the EST server"
        : "no new certificate from the EST server; the old one serves on",
      metadata: [
        "for": "\(purpose.rawValue)", "server": "\(wanted.server.url)", "reason": "\(reason)",
      ]
    )
  }
}

// MARK: - A request that waits

extension CertificateIssuance {
  /// The request that waits for the server since before this process; nil for none, or one that the
  /// settings do not ask for any more, or that was answered.
  private func keptRequest(_ old: KeptCertificate?) -> WaitingRequest? {
    guard let request = WaitingRequest(file: requestFile) else { return nil }
    guard request.question == wanted.question, (old?.madeSeconds ?? .min) <= request.sinceSeconds
    else {
      forgetRequest()
      return nil
    }
    return request
  }

  private func keep(_ request: WaitingRequest, isNew: Bool) {
    if isNew {
      logger.notice(
        "the EST server has accepted a request, which waits to be decided",
        metadata: [
          "for": "\(purpose.rawValue)", "server": "\(wanted.server.url)",
          "again": "\(Timestamp(seconds: request.dueSeconds).iso8601)",
        ]
      )
    }
    do throws(FileFault) {
      try request.store(requestFile)
    } catch {
      logger.error(
        "a request that waits is not kept; a restart makes another one",
        metadata: ["for": "\(purpose.rawValue)", "fault": "\(error)"]
      )
    }
  }

  private func forgetRequest() { PrivateFile.removeTree(requestFile) }
}

// MARK: - Asking

extension CertificateIssuance {
  /// What a server says to a request.
  private enum Reply {
    case issued([PresentedCertificate])
    /// It is to be sent again, in so many seconds if it says so.
    case accepted(Int64?)
  }

  /// Asks for a certificate: by showing the old one while it is good, else by what the settings show.
  ///
  /// A request that waits for the server is sent again as it is, and no other one.
  private func obtain(
    _ old: KeptCertificate?,
    _ waiting: WaitingRequest?,
    _ now: JudgedTime
  ) async throws -> Outcome {
    let isGood = old.map { now.seconds < $0.until } ?? false
    if var waiting {
      let call = isGood ? waiting.call : Self.enroll
      let shown: (chain: String, privateKey: String)? =
        call == Self.reenroll ? (file, file) : identity
      switch try await post(call, waiting.request, showing: shown) {
      case .accepted(let seconds):
        waiting.wait(seconds, now: now.seconds)
        return .waits(waiting)
      case .issued(let chain):
        return .issued(try certificate(chain, waiting.privateKeyPEM, now, old))
      }
    }
    let (request, privateKey) = try CertificateMaker.makeRequest(
      commonName: wanted.commonName,
      isAuthority: purpose == .authority,
      privateKeyPEM: wanted.rotatesKey ? nil : old?.issued.privateKeyPEM
    )
    func outcome(_ reply: Reply, of call: String) throws -> Outcome {
      switch reply {
      case .issued(let chain): return .issued(try certificate(chain, privateKey, now, old))
      case .accepted(let seconds):
        return .waits(
          WaitingRequest(
            request: request,
            privateKeyPEM: privateKey,
            call: call,
            question: wanted.question,
            now: now.seconds,
            retryAfterSeconds: seconds
          )
        )
      }
    }
    if isGood {
      // Not every server takes an authority's certificate in the handshake, or knows this call.
      if let reply = try? await post(Self.reenroll, request, showing: (file, file)) {
        return try outcome(reply, of: Self.reenroll)
      }
    }
    return try outcome(
      try await post(Self.enroll, request, showing: identity),
      of: Self.enroll
    )
  }

  private static let enroll = "simpleenroll"
  private static let reenroll = "simplereenroll"

  /// What the settings show, nil for nothing.
  private var identity: (chain: String, privateKey: String)? {
    wanted.server.identity.map { (chain: $0.chain, privateKey: $0.privateKey) }
  }

  private func post(
    _ call: String,
    _ request: [UInt8],
    showing identity: (chain: String, privateKey: String)?
  ) async throws -> Reply {
    let client = try client(showing: identity)
    let result: Result<Reply, any Error>
    do {
      result = .success(try await ask(call, request, client))
    } catch {
      result = .failure(error)
    }
    await client.close()
    return try result.get()
  }

  private func ask(
    _ call: String,
    _ request: [UInt8],
    _ client: CloudClient
  ) async throws -> Reply {
    var headers = ESTExchange.headers
    if let secret = wanted.server.authorization { headers.append(("Authorization", secret.text)) }
    let answer = try await client.exchange(
      "POST",
      "\(wanted.server.url)/\(call)",
      headers: headers,
      body: ESTExchange.body(request)
    )
    let chain: [PresentedCertificate]
    switch ESTExchange.outcome(status: answer.status, body: answer.body, for: request) {
    case .later where answer.status == 202: return .accepted(answer.retryAfterSeconds)
    case .later:
      throw Failure(
        description: "it answered \(answer.status): not now",
        retryAfterSeconds: answer.retryAfterSeconds
      )
    case .denied(let status):
      throw Failure(description: "it refuses what this device shows: it answered \(status)")
    case .refused(let what): throw Failure(description: "it \(what)", isFinal: true)
    case .issued(let issued): chain = issued
    }
    guard let last = chain.last, !last.isSigned(by: last) else { return .issued(chain) }
    // An answer may hold the certificate alone; what is above it is told by another call.
    let above = try? await client.exchange(
      "GET",
      "\(wanted.server.url)/cacerts",
      headers: [],
      body: nil
    )
    guard let above, above.status == 200,
      let certificates = ESTExchange.certificates(in: above.body)
    else { return .issued(chain) }
    return .issued(ESTExchange.chain(from: chain, among: certificates))
  }

  private func client(
    showing identity: (chain: String, privateKey: String)?
  ) throws(SettingsFault) -> CloudClient {
    let authority = wanted.server.url.dropFirst("https://".utf8.count).prefix { $0 != "/" }
    return try CloudClient(
      authorities: wanted.server.authorities,
      authoritySettings: "cert_issuance.est.trusted_certs",
      identity: identity,
      proxy: settings.proxy(environment, for: String(authority)),
      seconds: settings.cloudTimeoutSeconds,
      // It is asked again anyhow; a signing request that was taken twice would be issued to twice.
      retries: 0,
      saw: { _ in }
    )
  }

  /// What is kept of an answer.
  private func certificate(
    _ chain: [PresentedCertificate],
    _ privateKey: String,
    _ now: JudgedTime,
    _ old: KeptCertificate?
  ) throws -> KeptCertificate {
    // The same request would bring the same.
    func useless(_ what: String) -> Failure {
      Failure(description: "it answered \(what)", isFinal: true)
    }
    guard
      let new = KeptCertificate(
        // What is above it may not have been told this time.
        chain: ESTExchange.chain(from: chain, among: old?.chain ?? []),
        privateKeyPEM: privateKey,
        madeSeconds: now.seconds,
        question: wanted.question
      )
    else { throw useless("a certificate that cannot be used") }
    guard now.seconds < new.until else {
      throw useless("a certificate that has ended; look at this machine's clock")
    }
    guard !now.isSteady || new.certificate.validity.from <= now.seconds + 300 else {
      throw useless("a certificate that begins later; look at this machine's clock")
    }
    switch purpose {
    case .identity:
      guard new.certificate.isForClients, !new.certificate.isAuthority else {
        throw useless("a certificate that is not for clients (clientAuth)")
      }
      guard new.certificate.commonName == wanted.commonName else {
        throw useless(
          "a certificate for \(new.certificate.commonName ?? "nobody"), not for "
            + wanted.commonName
        )
      }
    case .authority:
      guard new.certificate.isAuthority else {
        throw useless("a certificate that may not sign others (CA:TRUE, keyCertSign)")
      }
      guard new.chain.count > 1 || new.certificate.isSigned(by: new.certificate) else {
        throw Failure(description: "it does not tell what signed the certificate (/cacerts)")
      }
    }
    return new
  }
}
