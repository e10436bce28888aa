internal import ByteIO
public import HubContract

/// What an enrollment group is found by.
public enum EnrollmentIndexKey: Hashable, Sendable {
  /// Its devices have keys derived from the group's.
  case symmetricKey
  /// A certificate with this thumbprint vouches for its devices.
  case signer(Thumbprint)
  /// A certificate with this subject vouches for its devices.
  case subject(String)
  /// The registered authority of this name vouches for its devices.
  case authority(String)

  /// The key as text, distinct for each.
  public var text: String {
    switch self {
    case .symmetricKey: "symmetricKey"
    case .signer(let print): "signer:\(Hex.encode(print.bytes))"
    case .subject(let name): "subject:\(name)"
    case .authority(let name): "authority:\(name)"
    }
  }
}

extension Enrollment {
  /// What it is found by; nothing for individual enrollments, which have their names.
  public var indexKeys: Set<EnrollmentIndexKey> {
    guard key.kind == .group else { return [] }
    switch attestation {
    case .symmetricKey: return [.symmetricKey]
    case .signingCertificates:
      return Set(
        attestation.summaries.flatMap { summary -> [EnrollmentIndexKey] in
          [.signer(summary.sha256), .subject(summary.subjectName)]
        }
      )
    case .authorities(let primary, let secondary):
      return Set([primary, secondary].compactMap { $0 }.map { EnrollmentIndexKey.authority($0) })
    case .clientCertificates, .tpm: return []
    }
  }
}
