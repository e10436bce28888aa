import ArgumentParser
import ByteIO
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

  @Option(
    help: ArgumentHelp(
      "Endorsement key of a TPM chip: the TPM2B_PUBLIC that tpm2_createek -u writes.",
      valueName: "file"
    ),
    completion: .file()
  )
  var endorsementKey: String?

  @Option(
    help: ArgumentHelp(
      "Storage root key of the chip, likewise, if it is known.",
      valueName: "file"
    ),
    completion: .file()
  )
  var storageRootKey: String?

  /// The options' names, for messages.
  static let names = [
    "--primary-key", "--secondary-key", "--certificate", "--secondary-certificate", "--authority",
    "--secondary-authority", "--endorsement-key", "--storage-root-key",
  ]

  private var hasCertificates: Bool { certificate != nil || secondaryCertificate != nil }
  private var hasAuthorities: Bool { authority != nil || secondaryAuthority != nil }
  private var hasChip: Bool { endorsementKey != nil || storageRootKey != nil }

  /// Whether nothing was said.
  var isEmpty: Bool { keys.isEmpty && !hasCertificates && !hasAuthorities && !hasChip }

  func validate() throws {
    guard [!keys.isEmpty, hasCertificates, hasAuthorities, hasChip].count(where: { $0 }) < 2 else {
      throw ValidationError(
        "devices prove themselves by keys, certificates, an authority or a chip: one"
      )
    }
  }

  /// `current` with what was said; the slot of a pair that was not named stays if the kind does.
  func changed(_ current: JSONValue?, _ terms: EnrollmentTerms) throws(CommandFailure) -> JSONValue
  {
    if !keys.isEmpty {
      return ["type": "symmetricKey", "symmetricKey": .object(try keys.json())]
    }
    if hasChip {
      var chip = current?["tpm"]?.objectValue ?? [:]
      if let endorsementKey { chip["endorsementKey"] = try Self.chipKey(endorsementKey) }
      if let storageRootKey { chip["storageRootKey"] = try Self.chipKey(storageRootKey) }
      return ["type": "tpm", "tpm": .object(chip)]
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

  private static func chipKey(_ path: String) throws(CommandFailure) -> JSONValue {
    .string(Base64.encode(try InputText.bytes("@\(path)")))
  }
}
