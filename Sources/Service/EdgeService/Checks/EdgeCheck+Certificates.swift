import JSONTree
import NIOSSL
import Platform

extension EdgeCheck {
  static let certificates: [EdgeCheck] = [
    EdgeCheck("certs-preloaded", .certificates, "the files that the settings name are there") {
      box in
      let files = try box.certificateFiles()
      let named = files.chains.map(\.path) + files.pairs.map(\.key)
      guard !named.isEmpty else { return .skipped("the settings name no certificates") }
      for path in named {
        do throws(FileFault) {
          _ = try box.ports.read(path)
        } catch {
          guard error.isMissing else { continue }
          return .error("\(error)", remedy: "Put the file there, or mend its path in the settings.")
        }
      }
      return .ok("\(named.count) files")
    },
    EdgeCheck("certs-read", .certificates, "certificates can be read") { box in
      let chains = try box.certificateFiles().chains
      guard !chains.isEmpty else { return .skipped("the settings name no certificates") }
      for (setting, path) in chains {
        let text = String(decoding: try box.content(of: path, setting), as: UTF8.self)
        let parts = PEMText.certificates(of: text)
        guard !parts.isEmpty, parts.allSatisfy({ PresentedCertificate(Array($0.utf8)) != nil })
        else {
          return .error(
            "\(setting): \(path) holds no certificates in PEM, or damaged ones",
            remedy: "openssl x509 -in \(path) -text shows what it is; convert it to PEM."
          )
        }
      }
      return .ok()
    },
    EdgeCheck("key-pairs-read", .certificates, "private keys can be read") { box in
      let pairs = try box.certificateFiles().pairs
      guard !pairs.isEmpty else { return .skipped("the settings name no private keys") }
      for pair in pairs {
        let bytes = try box.content(of: pair.key, pair.setting)
        guard (try? NIOSSLPrivateKey(bytes: bytes, format: .pem)) != nil else {
          return .error(
            "\(pair.setting): \(pair.key) holds no private key in PEM without a passphrase",
            remedy: "openssl pkey -in \(pair.key) -out NEW writes one."
          )
        }
      }
      return .ok()
    },
    EdgeCheck("certs-match-private-keys", .certificates, "keys are those of the certificates") {
      box in
      let pairs = try box.certificateFiles().pairs
      guard !pairs.isEmpty else { return .skipped("the settings name no private keys") }
      for pair in pairs {
        let text = String(decoding: try box.content(of: pair.chain, pair.setting), as: UTF8.self)
        let issued = CertificateMaker.Issued(
          certificatePEM: PEMText.certificates(of: text).first ?? text,
          privateKeyPEM: String(
            decoding: try box.content(of: pair.key, pair.setting),
            as: UTF8.self
          )
        )
        guard CertificateMaker.isPair(issued) else {
          return .error(
            "\(pair.setting): \(pair.key) is not the key of the first certificate in \(pair.chain)",
            remedy:
              "Put both of one pair there; the certificate of the key stands first in its file."
          )
        }
      }
      return .ok()
    },
    EdgeCheck("identity-certificate-expiry", .certificates, "the device's certificate is good") {
      box in
      let settings = try box.settings
      guard let chain = settings.identityPair?.chain else {
        return .skipped("the device proves itself with a key")
      }
      if settings.isIdentityIssued {
        return try box.issued(chain, "the device's certificate")
      }
      return try box.expiry(of: chain, "identity_cert", "Put a new one there, with its key.")
    },
    EdgeCheck(
      "est-identity-and-bootstrap-certificate-expiry",
      .certificates,
      "certificates by which others are asked for are good"
    ) { box in
      let servers = try box.settings.issuingServers
      guard !servers.isEmpty else { return .skipped("no certificates come from an EST server") }
      guard let identity = servers.lazy.compactMap(\.identity).first else {
        return .skipped("the EST server is shown no certificate")
      }
      return try box.expiry(
        of: identity.chain,
        "the certificate for the EST server",
        "Put a new one there, with its key."
      )
    },
    EdgeCheck("local-ca-certificate-expiry", .certificates, "the edge's authority is good") { box in
      let settings = try box.settings
      switch settings.edgeAuthority.source {
      case .localAuthority(let chain, _):
        return try box.expiry(of: chain, "cert_issuance.local_ca.cert", "Make a new one.")
      case .preloaded(let chain, _):
        return try box.expiry(of: chain, "edge_ca.cert", "Put a new one there, with its key.")
      case .est:
        return try box.issued(settings.paths.issuedAuthority, "the edge CA")
      case .quickstart:
        let path = settings.paths.data(of: .keys) + "/edge-ca.json"
        guard let bytes = try? box.ports.read(path), let kept = try? JSON.parse(bytes),
          let pem = kept["certificate"]?.stringValue
        else {
          return .skipped("it is made here, and only root and the keys process may look at it")
        }
        return try box.judge(
          Array(pem.utf8),
          "the edge CA",
          "It is renewed by itself: look at the keys process, orrery-edge system logs keys."
        )
      }
    },
  ]
}

extension EdgeSettings {
  /// The EST servers that issue certificates to this device.
  var issuingServers: [ESTSettings] {
    var servers = [identityIssuance?.server].compactMap { $0 }
    if case .est(let wanted) = edgeAuthority.source { servers.append(wanted.server) }
    return servers
  }

  /// Whether the device's certificate comes from an EST server.
  fileprivate var isIdentityIssued: Bool { identityPair?.chain == paths.issuedIdentity }

  /// The PEM files of the certificate that the device proves itself with and its key, nil where it has
  /// a key alone.
  fileprivate var identityPair: (chain: String, key: String)? {
    let proof =
      switch provisioning {
      case .manual(_, _, let proof): proof
      case .service(let service): service.proof
      }
    guard case .certificate(let chain, let key) = proof else { return nil }
    return (chain, key)
  }
}

extension CheckSubject {
  /// Files with certificates, and pairs of such a file with a key, each with the setting's name.
  func certificateFiles() throws -> (
    chains: [(setting: String, path: String)],
    pairs: [(setting: String, chain: String, key: String)]
  ) {
    let settings = try settings
    var chains: [(setting: String, path: String)] = []
    var pairs: [(setting: String, chain: String, key: String)] = []
    if let path = settings.trustBundle { chains.append(("trust_bundle_cert", path)) }
    if let path = settings.upstream.authorities { chains.append(("upstream.ca_cert", path)) }
    if !settings.isIdentityIssued, let (chain, key) = settings.identityPair {
      pairs.append(("identity_cert", chain, key))
    }
    for server in settings.issuingServers {
      chains += server.authorities.map { ("cert_issuance.est.trusted_certs", $0) }
      if let identity = server.identity {
        pairs.append(("cert_issuance.est.auth", identity.chain, identity.privateKey))
      }
    }
    switch settings.edgeAuthority.source {
    case .preloaded(let chain, let key): pairs.append(("edge_ca", chain, key))
    case .localAuthority(let chain, let key): pairs.append(("cert_issuance.local_ca", chain, key))
    case .quickstart, .est: break
    }
    return (chains + pairs.map { (setting: $0.setting, path: $0.chain) }, pairs)
  }

  /// A file's content.
  ///
  /// - Throws: the outcome of a check that needs it.
  func content(of path: String, _ setting: String) throws -> [UInt8] {
    do throws(FileFault) {
      return try ports.read(path)
    } catch {
      if error.isMissing { throw CheckOutcome.skipped("\(setting): \(error); see certs-preloaded") }
      throw CheckOutcome.error(
        "\(setting): \(error)",
        remedy: error.remedy ?? "Run this command as root, or let this user read it."
      )
    }
  }

  /// Whether a certificate that an EST server issued is good; only root and the keys process may look.
  func issued(_ path: String, _ name: String) throws -> CheckOutcome {
    let bytes: [UInt8]
    do throws(FileFault) {
      bytes = try ports.read(path)
    } catch {
      if error.isMissing {
        return .error(
          "\(name) has not come from the EST server yet",
          remedy: "Look at the keys process: orrery-edge system logs keys."
        )
      }
      return .skipped("only root and the keys process may look at \(name)")
    }
    return try judge(bytes, name, "It is renewed by itself: orrery-edge system logs keys.")
  }

  func expiry(of path: String, _ setting: String, _ remedy: String) throws -> CheckOutcome {
    try judge(try content(of: path, setting), "\(setting) (\(path))", remedy)
  }

  /// Whether a certificate is good now, and for a week more.
  func judge(_ bytes: [UInt8], _ name: String, _ remedy: String) throws -> CheckOutcome {
    guard let certificate = PresentedCertificate(PEMText.first(of: bytes)) else {
      throw CheckOutcome.skipped("\(name) cannot be read; see certs-read")
    }
    let (from, to) = certificate.validity
    let days = (to - ports.now()) / 86_400
    if ports.now() < from {
      return .error(
        "\(name) is not valid yet",
        remedy: "Look at this machine's clock; see host-local-time."
      )
    }
    if ports.now() > to { return .error("\(name) ended \(-days) days ago", remedy: remedy) }
    if days < 7 { return .warning("\(name) ends in \(days) days", remedy: remedy) }
    return .ok("\(name) is good for \(days) days")
  }
}
