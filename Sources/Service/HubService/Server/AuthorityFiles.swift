import Platform

/// The files of an authority that the hub made itself.
struct AuthorityFiles {
  let certificate: String
  let privateKey: String
  /// Its certificate.
  let anchor: PresentedCertificate
  private let issued: CertificateMaker.Issued
  private let loss: String

  /// Reads the authority, or makes one of `name` where there is none; `loss` says what comes of it
  /// when both files are removed.
  init(certificate: String, privateKey: String, name: String, loss: String) throws {
    self.certificate = certificate
    self.privateKey = privateKey
    self.loss = loss
    let remedy = Self.remedy(certificate, privateKey, loss)
    if PrivateFile.exists(certificate) {
      issued = CertificateMaker.Issued(
        certificatePEM: try Self.read(certificate, remedy),
        privateKeyPEM: try Self.read(privateKey, remedy)
      )
    } else {
      issued = try CertificateMaker.makeAuthority(commonName: name)
      // The key first: a certificate without its key would be taken for a whole authority.
      try PrivateFile.replace(privateKey, with: Array(issued.privateKeyPEM.utf8))
      let text = Array(issued.certificatePEM.utf8)
      try PrivateFile.replace(certificate, with: text, mode: 0o644)
    }
    guard let anchor = PresentedCertificate(Array(issued.certificatePEM.utf8)) else {
      throw SettingsFault("\(certificate) holds no certificate in PEM", remedy: remedy)
    }
    self.anchor = anchor
  }

  /// A server's certificate for `names`.
  func sign(_ names: [String]) throws -> CertificateMaker.Issued {
    do {
      return try CertificateMaker.makeServer(names: names, authority: issued)
    } catch let error as CertificateMaker.AuthorityFault {
      throw fault(error)
    } catch {
      throw SettingsFault(
        "no certificate can be made for hub.names (\(names.joined(separator: ", "))): \(error)",
        remedy: "Give host names and addresses alone, in ASCII."
      )
    }
  }

  /// The authority as the issuer of devices' certificates.
  func issuer() throws(SettingsFault) -> CertificateIssuer {
    do throws(CertificateMaker.AuthorityFault) {
      return try CertificateIssuer(issued)
    } catch {
      throw fault(error)
    }
  }

  private static func read(_ path: String, _ remedy: String) throws -> String {
    do throws(FileFault) {
      return String(decoding: try PrivateFile.read(path), as: UTF8.self)
    } catch {
      throw SettingsFault("\(error)", remedy: error.remedy ?? remedy)
    }
  }

  private func fault(_ error: CertificateMaker.AuthorityFault) -> SettingsFault {
    let problem =
      switch error {
      case .certificate: "\(certificate) holds no certificate in PEM"
      case .privateKey: "\(privateKey) holds no private key in PEM"
      case .pair: "\(privateKey) is not the key of the certificate in \(certificate)"
      }
    return SettingsFault(problem, remedy: Self.remedy(certificate, privateKey, loss))
  }

  private static func remedy(
    _ certificate: String,
    _ privateKey: String,
    _ loss: String
  ) -> String {
    "Put both files back from a backup of the hub. Without one, remove \(certificate) and "
      + "\(privateKey): the next start makes a new authority, \(loss)"
  }
}
