import Platform

/// An authority in the operator's files.
struct OperatorAuthority {
  /// The authority's own certificate and its key.
  let issued: CertificateMaker.Issued
  /// The authority's own certificate, parsed.
  let certificate: PresentedCertificate
  /// All certificates of the file, the authority's own first, PEM.
  let chainPEM: String
  /// The last certificate of the file: what clients trust.
  let topPEM: String

  /// Reads both files; `setting` is the table that names them.
  ///
  /// - Throws: `SettingsFault`, with the file that cannot be used.
  init(chain: String, privateKey: String, _ setting: String) throws(SettingsFault) {
    let text = try Self.read(chain, "\(setting).cert")
    // Modules are given it: a key that an operator keeps in the same file is not for them.
    let certificates = PEMText.certificates(of: text).map { PEMText.alone($0) }
    chainPEM = certificates.joined(separator: "\n")
    topPEM = certificates.last ?? ""
    issued = CertificateMaker.Issued(
      certificatePEM: certificates.first ?? "",
      privateKeyPEM: try Self.read(privateKey, "\(setting).pk")
    )
    guard let certificate = PresentedCertificate(Array(issued.certificatePEM.utf8)) else {
      throw SettingsFault("\(setting).cert: \(chain) holds no certificate in PEM")
    }
    guard certificate.isAuthority else {
      throw SettingsFault(
        "\(setting).cert: the certificate in \(chain) may not sign others",
        remedy: "It needs basicConstraints with CA:TRUE, and keyUsage keyCertSign."
      )
    }
    guard CertificateMaker.isPair(issued) else {
      throw SettingsFault(
        "\(setting).pk: \(privateKey) is not the key of the certificate in \(chain), or is no PEM",
        remedy: "Keys with a passphrase are not taken."
      )
    }
    self.certificate = certificate
  }

  private static func read(_ path: String, _ setting: String) throws(SettingsFault) -> String {
    do throws(FileFault) {
      return String(decoding: try PrivateFile.read(path, limit: 1 << 20), as: UTF8.self)
    } catch {
      throw SettingsFault("\(setting): \(error)", remedy: error.remedy)
    }
  }
}
