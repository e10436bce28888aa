import Platform

/// The authority that signs the certificates of the local hub and of modules (`[edge_ca]`).
package struct EdgeAuthoritySettings: Equatable, Sendable {
  /// Where it comes from.
  package enum Source: Equatable, Sendable {
    /// Made here, under a root that is made here too.
    case quickstart
    /// The operator's: the PEM files of the chain and the key.
    case preloaded(chain: String, privateKey: String)
    /// Made here, under the operator's authority: the PEM files of its chain and its key.
    case localAuthority(chain: String, privateKey: String)
    /// Issued to this device by an EST server.
    case est(ESTCertificateSettings)
  }

  package let source: Source
  /// Days that a made one is valid.
  package let days: Int
  /// At which part of its life it is made anew, in hundredths.
  package let renewalPercent: Int
  /// Which part of its life passes before a renewal that failed is tried again, in hundredths.
  package let retryPercent: Int
  /// Whether a new one has a new key.
  package let rotatesKey: Bool

  /// Reads `[edge_ca]` and what it needs of `[cert_issuance]`; `hostName` is what an authority is named
  /// by where nothing else is said.
  init(
    _ table: SettingsTable?,
    issuance: SettingsTable?,
    hostName: String
  ) throws(SettingsFault) {
    try issuance?.refuse(otherThan: ["est", "local_ca"])
    try table?.refuse(
      otherThan: [
        "cert", "pk", "method", "auto_generated_edge_ca_expiry_days", "auto_renew", "common_name",
        "expiry_days", "subject",
      ] + ESTSettings.ownNames
    )
    source = try Self.source(table, issuance: issuance, hostName)
    if let table, let name = ESTSettings.ownNames.first(where: { table.contains($0) }) {
      guard case .est = source else {
        throw table.fault(name, "goes with method = \"est\" alone")
      }
    }
    let bounds = 1...3_650
    let quickstart = try table?.number("auto_generated_edge_ca_expiry_days", in: bounds)
    let others = try table?.number("expiry_days", in: bounds)
    days = quickstart ?? others ?? 90
    let renewal = try table?.table("auto_renew")
    try renewal?.refuse(otherThan: ["rotate_key", "threshold", "retry"])
    rotatesKey = try renewal?.flag("rotate_key") ?? true
    renewalPercent = try Self.percent(renewal, "threshold") ?? 80
    retryPercent = try Self.percent(renewal, "retry") ?? 4
  }

  private static func source(
    _ table: SettingsTable?,
    issuance: SettingsTable?,
    _ hostName: String
  ) throws(SettingsFault) -> Source {
    if let table, table.contains("cert") || table.contains("pk") {
      guard let chain = try table.path("cert"), let key = try table.path("pk") else {
        throw table.fault(
          table.contains("cert") ? "pk" : "cert",
          "is missing",
          remedy: "A preloaded authority needs cert and pk."
        )
      }
      guard !table.contains("method") else {
        throw table.fault("method", "does not go with cert and pk", remedy: "Keep one of the two.")
      }
      return .preloaded(chain: chain, privateKey: key)
    }
    guard let table, let method = try table.word("method", of: ["est", "local_ca"]) else {
      return .quickstart
    }
    guard method == "local_ca" else {
      return .est(
        try ESTCertificateSettings(
          table,
          issuance: issuance,
          commonName: String("aziot-edge CA \(hostName)".prefix(64))
        )
      )
    }
    guard let authority = try issuance?.table("local_ca") else {
      throw table.fault("method", "is local_ca", remedy: "Add [cert_issuance.local_ca].")
    }
    try authority.refuse(otherThan: ["cert", "pk"])
    guard let chain = try authority.path("cert"), let key = try authority.path("pk") else {
      throw authority.fault("cert", "or pk is missing", remedy: "A local authority needs both.")
    }
    return .localAuthority(chain: chain, privateKey: key)
  }

  /// A part of a life: `80%`; a time before the end is not taken.
  static func percent(
    _ table: SettingsTable?,
    _ name: String
  ) throws(SettingsFault) -> Int? {
    guard let table, let text = try table.text(name) else { return nil }
    guard text.hasSuffix("%"), let number = Int(text.dropLast()), (1...99).contains(number) else {
      throw table.fault(name, "must be a part of the life from 1% to 99%, such as \"80%\"")
    }
    return number
  }
}
