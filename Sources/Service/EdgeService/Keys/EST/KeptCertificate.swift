import Platform

/// A certificate that an EST server issued, as it is kept: with its chain and its key in one PEM file,
/// so that no crash leaves one without the other.
struct KeptCertificate: Sendable {
  /// The certificate alone, and its key.
  let issued: CertificateMaker.Issued
  /// The certificate first, then what leads to an authority.
  let chain: [PresentedCertificate]
  /// When it came, seconds since 1970.
  let madeSeconds: Int64
  /// What was asked for, and where.
  let question: String

  /// The certificate.
  let certificate: PresentedCertificate
  /// When it ends, seconds since 1970.
  var until: Int64 { certificate.validity.to }

  /// What an authority's clients are shown besides their own certificate: all but a root, PEM.
  var shownPEM: String {
    let endsInRoot = chain.last.map { $0.isSigned(by: $0) } ?? false
    let shown = endsInRoot && chain.count > 1 ? chain.dropLast() : chain[...]
    return shown.map(\.pem).joined(separator: "\n")
  }

  /// The end of the chain: what clients trust, PEM.
  var topPEM: String { (chain.last ?? certificate).pem }

  init?(
    chain: [PresentedCertificate],
    privateKeyPEM: String,
    madeSeconds: Int64,
    question: String
  ) {
    guard let certificate = chain.first else { return nil }
    issued = CertificateMaker.Issued(
      certificatePEM: certificate.pem,
      privateKeyPEM: privateKeyPEM
    )
    guard CertificateMaker.isPair(issued) else { return nil }
    self.certificate = certificate
    self.chain = chain
    self.madeSeconds = madeSeconds
    self.question = question
  }

  /// Reads one, nil if there is none or it is damaged.
  init?(file: String) {
    guard let bytes = try? PrivateFile.read(file, limit: 1 << 20) else { return nil }
    let text = String(decoding: bytes, as: UTF8.self)
    let lines = text.split(separator: "\n").prefix { !$0.hasPrefix("-----") }
    func value(_ name: String) -> Substring? {
      lines.first { $0.hasPrefix(name + " ") }?.dropFirst(name.utf8.count + 1)
    }
    let chain = PEMText.certificates(of: text).compactMap {
      PresentedCertificate(Array(PEMText.alone($0).utf8))
    }
    guard let made = value("made").flatMap({ Int64($0) }), let question = value("asked"),
      let privateKey = PEMText.privateKey(of: text)
    else { return nil }
    self.init(
      chain: chain,
      privateKeyPEM: privateKey,
      madeSeconds: made,
      question: String(question)
    )
  }

  func store(_ file: String) throws(FileFault) {
    let text =
      "made \(madeSeconds)\nasked \(question)\n\(issued.privateKeyPEM)\n"
      + chain.map { $0.pem + "\n" }.joined()
    try PrivateFile.replace(file, with: Array(text.utf8))
  }
}
