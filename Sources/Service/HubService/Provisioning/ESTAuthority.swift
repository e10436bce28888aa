import HubContract
import HubEngine
import JSONTree
import Logging
import Platform
import ProvisioningEngine

/// An outside authority that issues certificates to devices over EST (RFC 7030 §4.2).
///
/// The hub is the registration authority: it has checked the device and its signing request, and shows
/// who it is itself by a certificate or a password.
struct ESTAuthority: Sendable {
  let name: String
  /// Where to enroll, such as `https://ca.example/.well-known/est/devices/simpleenroll`.
  let url: String
  /// The header that shows who the hub is, where no certificate does.
  let authorization: String?
  let seconds: Int64
  let client: OutboundClient
  let logger: Logger

  /// A certificate with its chain, or why there is none.
  func issue(
    _ request: [UInt8],
    to registrationID: String,
    now: Timestamp
  ) async -> ProvisioningResult {
    do throws(CertificateIssuer.Fault) {
      try CertificateIssuer.check(request, of: registrationID)
    } catch {
      return .refused(HubError(.argumentInvalid, error.message))
    }
    var headers = ESTExchange.headers
    if let authorization { headers.append(("Authorization", authorization)) }
    let answer: OutboundClient.Answer
    do throws(OutboundClient.Failure) {
      answer = try await client.send(
        "POST",
        url,
        headers: headers,
        body: ESTExchange.body(request),
        seconds: seconds
      )
    } catch {
      tell(error.reason)
      return .unavailable
    }
    let result = read(answer, request, registrationID, now)
    switch result {
    case .unavailable: tell("it answered \(answer.status)")
    case .refused(let error): tell(error.message)
    default: break
    }
    return result
  }

  /// The result that an answer stands for.
  private func read(
    _ answer: OutboundClient.Answer,
    _ request: [UInt8],
    _ registrationID: String,
    _ now: Timestamp
  ) -> ProvisioningResult {
    switch ESTExchange.outcome(status: answer.status, body: answer.body, for: request) {
    case .later: return .unavailable
    case .denied(let status): return refused("refuses this service: it answered \(status)")
    case .refused(let what): return refused(what)
    case .issued(let chain):
      guard let leaf = chain.first, let thumbprint = Thumbprint(hex: leaf.sha256Thumbprint),
        !leaf.isAuthority, leaf.isValid(at: now.seconds),
        leaf.commonName.flatMap({ RegistrationID.normalized($0) }) == registrationID
      else {
        return refused("answered a certificate of another name, of an authority, or not valid now")
      }
      return .issued(IssuedCertificate(chain: chain.map(\.der), thumbprint: thumbprint))
    }
  }

  private func refused(_ what: String) -> ProvisioningResult {
    .refused(HubError(.argumentInvalid, "The certificate authority \(name) \(what)."))
  }

  private func tell(_ reason: String) {
    logger.warning(
      "no certificate from an authority",
      metadata: ["authority": "\(name)", "reason": "\(reason)"]
    )
  }
}

extension ESTAuthority {
  private static let setting = "provisioning.certificate_authorities"
  /// Authorities at most.
  private static let limit = 20
  private static let remedy =
    "Each element is an object: name, kind (est) and url; ca for a PEM file of trusted authorities; "
    + "certificate and key, or user and password_file; perhaps timeout_seconds from 1 to 60."

  /// Reads the file that `provisioning.certificate_authorities` names: a JSON array of objects.
  ///
  /// - Throws: `SettingsFault` with the element that cannot be used; secrets are never shown.
  static func read(_ path: String, logger: Logger) throws -> [ESTAuthority] {
    let text = try content(of: path, setting)
    guard let elements = (try? JSON.parse(text))?.arrayValue, elements.count <= limit else {
      throw SettingsFault(
        "\(setting): \(path) holds no JSON array of at most \(limit) elements",
        remedy: remedy
      )
    }
    var authorities: [ESTAuthority] = []
    do {
      for (index, element) in elements.enumerated() {
        let place = "\(setting): element \(index + 1) of \(path)"
        let authority = try authority(element, place, logger)
        let names = authorities.map(\.name) + [DeviceIssuer.name]
        authorities.append(authority)
        guard !names.contains(authority.name) else {
          throw SettingsFault("\(place): the name \(authority.name) is taken", remedy: remedy)
        }
      }
    } catch {
      close(authorities)
      throw error
    }
    return authorities
  }

  /// Gives their connections back; nobody waits for what is under way.
  static func close(_ authorities: some Collection<ESTAuthority>) {
    let clients = authorities.map(\.client)
    Task { for client in clients { await client.close() } }
  }

  private static func authority(
    _ element: JSONValue,
    _ place: String,
    _ logger: Logger
  ) throws -> ESTAuthority {
    guard let name = element["name"]?.stringValue, RegistrationID.normalized(name) == name,
      element["kind"]?.stringValue == "est", let url = element["url"]?.stringValue,
      url.hasPrefix("https://")
    else {
      throw SettingsFault(
        "\(place): name, kind est and a url of https:// are needed",
        remedy: remedy
      )
    }
    let seconds = element["timeout_seconds"].map { $0.int64Value ?? 0 } ?? 10
    guard (1...60).contains(seconds) else {
      throw SettingsFault("\(place): timeout_seconds must be from 1 to 60", remedy: remedy)
    }
    func file(_ name: String) -> String? { element[name]?.stringValue }
    var authorization: String?
    if let user = element["user"]?.stringValue {
      guard let path = file("password_file"), !user.utf8.contains(0x3A) else {
        throw SettingsFault("\(place): user, without a colon, needs password_file", remedy: remedy)
      }
      var password = try content(of: path, place)
      while let last = password.last, last == 0x0A || last == 0x0D { password.removeLast() }
      authorization = BasicAuthorization.header(user: user, password: password)
    }
    var identity: (certificate: String, privateKey: String)?
    switch (file("certificate"), file("key")) {
    case (let certificate?, let key?): identity = (certificate, key)
    case (nil, nil): break
    default: throw SettingsFault("\(place): certificate and key go together", remedy: remedy)
    }
    guard authorization != nil || identity != nil else {
      throw SettingsFault("\(place): nothing shows who the hub is", remedy: remedy)
    }
    return ESTAuthority(
      name: name,
      url: url + (url.hasSuffix("/") ? "" : "/") + "simpleenroll",
      authorization: authorization,
      seconds: seconds,
      client: try OutboundClient(authorities: file("ca"), identity: identity, setting: place),
      logger: logger
    )
  }

  private static func content(of path: String, _ place: String) throws(SettingsFault) -> [UInt8] {
    do throws(FileFault) {
      return try PrivateFile.read(path, limit: 1 << 20)
    } catch {
      throw SettingsFault("\(place): \(error)", remedy: error.remedy)
    }
  }
}
