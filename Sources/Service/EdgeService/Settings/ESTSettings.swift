import JSONTree
import Platform

/// The EST server that certificates of this device come from, and what it is shown
/// (`[cert_issuance.est]`).
package struct ESTSettings: Equatable, Sendable {
  /// A certificate and its key: the PEM files of both.
  package struct Identity: Equatable, Sendable {
    package let chain: String
    package let privateKey: String
  }

  /// What must not be shown; descriptions don't.
  package struct Secret: Equatable, Sendable, CustomStringConvertible, CustomDebugStringConvertible
  {
    package let text: String
    package var description: String { "a secret" }
    package var debugDescription: String { description }
  }

  /// Its address up to the name of a call, such as `https://ca.example/.well-known/est`.
  package let url: String
  /// PEM files with authorities that it is trusted by, besides the system's.
  package let authorities: [String]
  /// The header that shows user and password, nil without these.
  package let authorization: Secret?
  /// What it is shown in the handshake by who has no certificate of its own yet, nil for nothing.
  package let identity: Identity?

  private static let authNames = [
    "username", "password", "identity_cert", "identity_pk", "bootstrap_identity_cert",
    "bootstrap_identity_pk",
  ]
  /// What may stand in the table of a certificate that is issued by EST.
  static let ownNames = ["url"] + authNames

  /// Reads `[cert_issuance.est]`; `own` is the table of the certificate, which may say otherwise.
  init(_ issuance: SettingsTable?, own: SettingsTable) throws(SettingsFault) {
    let common = try issuance?.table("est")
    try common?.refuse(otherThan: ["trusted_certs", "auth", "urls", "identity_auto_renew"])
    let urls = try common?.table("urls")
    try urls?.refuse(otherThan: ["default"])
    let ownURL = try own.text("url")
    let commonURL = try urls?.text("default")
    guard let text = ownURL ?? commonURL else {
      throw own.fault(
        "method",
        "is est, and no server is named",
        remedy:
          "Add [cert_issuance.est.urls] with default = \"https://ca.example/.well-known/est\"."
      )
    }
    guard let url = Self.base(text) else {
      throw ownURL == nil
        ? (urls ?? own).fault("default", Self.noURL) : own.fault("url", Self.noURL)
    }
    self.url = url
    var authorities: [String] = []
    for path in try common?.texts("trusted_certs") ?? [] {
      authorities.append(try (common ?? own).path("trusted_certs", path))
    }
    self.authorities = authorities
    var auth = try common?.table("auth")
    try auth?.refuse(otherThan: Self.authNames)
    if Self.authNames.contains(where: { own.contains($0) }) { auth = own }
    guard let auth else {
      (authorization, identity) = (nil, nil)
      return
    }
    authorization = try Self.authorization(auth)
    // A bootstrap certificate is shown by who has none of its own yet, so both do the same here.
    let bootstrap = try Self.identity(auth, "bootstrap_identity")
    identity = try Self.identity(auth, "identity") ?? bootstrap
  }

  private static let noURL = "must be like https://ca.example/.well-known/est"

  private static func base(_ text: String) -> String? {
    var text = text[...]
    for end in ["/", "/simpleenroll", "/"] where text.hasSuffix(end) {
      text = text.dropLast(end.utf8.count)
    }
    guard text.hasPrefix("https://"), text.utf8.count > 8, !text.contains("?"),
      text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { return nil }
    let port = text.dropFirst("https://".utf8.count).prefix { $0 != "/" }.drop { $0 != "]" }
    return hasGoodPort(port.isEmpty ? text.dropFirst(8).prefix { $0 != "/" } : port)
      ? String(text) : nil
  }

  /// Whether what follows the last colon of an authority, if there is one, is a port.
  private static func hasGoodPort(_ authority: Substring) -> Bool {
    guard let colon = authority.lastIndex(of: ":") else { return true }
    return UInt16(authority[authority.index(after: colon)...]).map { $0 > 0 } ?? false
  }

  private static func authorization(_ auth: SettingsTable) throws(SettingsFault) -> Secret? {
    guard let user = try auth.text("username") else {
      guard !auth.contains("password") else { throw auth.fault("username", "is missing") }
      return nil
    }
    guard !user.utf8.contains(0x3A) else { throw auth.fault("username", "must not have a colon") }
    guard let password = try auth.text("password") else {
      throw auth.fault("password", "is missing", remedy: "It goes with username.")
    }
    return Secret(text: BasicAuthorization.header(user: user, password: Array(password.utf8)))
  }

  private static func identity(
    _ auth: SettingsTable,
    _ name: String
  ) throws(SettingsFault) -> Identity? {
    let chain = try auth.path("\(name)_cert")
    let key = try auth.path("\(name)_pk")
    switch (chain, key) {
    case (let chain?, let key?): return Identity(chain: chain, privateKey: key)
    case (nil, nil): return nil
    default:
      throw auth.fault(chain == nil ? "\(name)_cert" : "\(name)_pk", "is missing")
    }
  }
}

/// A certificate of this device that an EST server issues, and when the next one is asked for.
package struct ESTCertificateSettings: Equatable, Sendable {
  package let server: ESTSettings
  /// The name that is asked for.
  package let commonName: String
  /// At which part of its life the next one is asked for, in hundredths.
  package let renewalPercent: Int
  /// Which part of its life passes before that is tried again, in hundredths.
  package let retryPercent: Int
  /// Whether the next one has a new key.
  package let rotatesKey: Bool

  /// What is asked for and where: a kept certificate that was asked for otherwise does not count.
  package var question: String { "\(server.url) \(commonName)" }

  /// Reads the table of a certificate with `method = "est"`.
  init(
    _ table: SettingsTable,
    issuance: SettingsTable?,
    commonName: String?
  ) throws(SettingsFault) {
    guard !table.contains("subject") else {
      throw table.fault(
        "subject",
        "is not taken: a certificate is asked for by its common name",
        remedy: "Write common_name = \"…\" in its place."
      )
    }
    guard let name = try table.text("common_name") ?? commonName, name.utf8.count <= 64,
      name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
    else {
      throw table.fault("common_name", "is missing, or longer than 64 characters")
    }
    self.commonName = name
    server = try ESTSettings(issuance, own: table)
    let renewal = try table.table("auto_renew")
    try renewal?.refuse(otherThan: ["rotate_key", "threshold", "retry"])
    rotatesKey = try renewal?.flag("rotate_key") ?? true
    renewalPercent = try EdgeAuthoritySettings.percent(renewal, "threshold") ?? 80
    retryPercent = try EdgeAuthoritySettings.percent(renewal, "retry") ?? 4
  }

  /// That of the device's own certificate, nil where it does not come from an EST server.
  ///
  /// `provisioning` has been read already.
  static func identity(
    _ provisioning: SettingsTable,
    issuance: SettingsTable?
  ) throws(SettingsFault) -> Self? {
    for (name, fallback) in [("attestation", "registration_id"), ("authentication", "device_id")] {
      guard let proof = try provisioning.table(name),
        proof.value("identity_cert")?.objectValue != nil,
        let table = try proof.table("identity_cert")
      else { continue }
      try table.refuse(
        otherThan: ["method", "common_name", "subject", "auto_renew"] + ESTSettings.ownNames
      )
      let commonName = try (name == "attestation" ? proof : provisioning).text(fallback)
      return try ESTCertificateSettings(table, issuance: issuance, commonName: commonName)
    }
    return nil
  }
}
