import ArgumentParser
import HubContract
import JSONTree

/// The options that say how devices prove who they are.
struct AttestationOptions: ParsableArguments {
  @OptionGroup var keys: SymmetricKeyOptions

  @Option(
    help: ArgumentHelp(
      "Certificate, PEM or DER: a device's own, or for a group the one that signs those of devices.",
      valueName: "file"
    ),
    completion: .file()
  )
  var certificate: String?

  @Option(
    help: ArgumentHelp("The next certificate, given likewise.", valueName: "file"),
    completion: .file()
  )
  var secondaryCertificate: String?

  @Option(
    help: ArgumentHelp("A verified authority, as 'orrery ca list' names it.", valueName: "name")
  )
  var authority: String?

  @Option(help: ArgumentHelp("The next authority, given likewise.", valueName: "name"))
  var secondaryAuthority: String?

  /// The options' names, for messages.
  static let names = [
    "--primary-key", "--secondary-key", "--certificate", "--secondary-certificate", "--authority",
    "--secondary-authority",
  ]

  private var hasCertificates: Bool { certificate != nil || secondaryCertificate != nil }
  private var hasAuthorities: Bool { authority != nil || secondaryAuthority != nil }

  /// Whether nothing was said.
  var isEmpty: Bool { keys.isEmpty && !hasCertificates && !hasAuthorities }

  func validate() throws {
    guard [!keys.isEmpty, hasCertificates, hasAuthorities].count(where: { $0 }) < 2 else {
      throw ValidationError("devices prove themselves by keys, certificates or an authority: one")
    }
  }

  /// `current` with what was said; the slot of a pair that was not named stays if the kind does.
  func changed(_ current: JSONValue?, _ terms: EnrollmentTerms) throws(CommandFailure) -> JSONValue
  {
    if !keys.isEmpty {
      return ["type": "symmetricKey", "symmetricKey": .object(try keys.json())]
    }
    let member = hasCertificates ? terms.certificatesMember : "caReferences"
    var pair = current?[path: ["x509", member]]?.objectValue ?? [:]
    if let certificate { pair["primary"] = try CertificateFile.body(certificate) }
    if let secondaryCertificate {
      pair["secondary"] = try CertificateFile.body(secondaryCertificate)
    }
    if let authority { pair["primary"] = .string(authority) }
    if let secondaryAuthority { pair["secondary"] = .string(secondaryAuthority) }
    return ["type": "x509", "x509": .object([member: .object(pair)])]
  }
}
