public import HubContract

/// What a device presents to prove who it is.
public enum PresentedCredential: Equatable, Sendable {
  /// Nothing.
  case none
  /// A token.
  case token(SharedAccessSignature)
  /// A certificate, whose key it has shown to hold.
  case certificate(PresentedLeaf)
}

/// A certificate that was presented, with all that vouches for it.
public struct PresentedLeaf: Equatable, Sendable {
  /// Somebody who signed it, directly or through others; the whole path is verified.
  public struct Signer: Equatable, Sendable {
    /// The signer's certificate.
    public var certificate: CertificateSummary
    /// The name by which it is registered and verified as an authority, if it is.
    public var authorityName: String?
    /// Whether it issues for the service alone, so that no hub has it.
    public var isIssuer: Bool
    /// Certificates from the leaf to it: 1 for the direct one.
    public var distance: Int

    /// Creates a signer.
    public init(
      certificate: CertificateSummary,
      authorityName: String? = nil,
      isIssuer: Bool = false,
      distance: Int
    ) {
      self.certificate = certificate
      self.authorityName = authorityName
      self.isIssuer = isIssuer
      self.distance = distance
    }
  }

  /// The certificate.
  public var certificate: CertificateSummary
  /// Its common name.
  public var commonName: String?
  /// Who vouches for it.
  public var signers: [Signer]

  /// Creates a leaf.
  public init(certificate: CertificateSummary, commonName: String?, signers: [Signer] = []) {
    self.certificate = certificate
    self.commonName = commonName
    self.signers = signers
  }
}

/// What a device proved, and how its identity at the hub is to be opened.
public struct Judgement: Equatable, Sendable {
  /// The credential of the identity at the hub.
  public var authentication: Authentication
  /// What the registration shows of it.
  public var proof: RegistrationProof
  /// Whether an authority vouches for it that is registered and verified at the hub.
  public var isByAuthority: Bool

  /// Creates a judgement.
  public init(
    authentication: Authentication,
    proof: RegistrationProof,
    isByAuthority: Bool = false
  ) {
    self.authentication = authentication
    self.proof = proof
    self.isByAuthority = isByAuthority
  }
}
