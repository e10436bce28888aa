import ByteIO

/// What an EST server is sent, and what its answer means (RFC 7030 §4.2), whoever carries both.
package enum ESTExchange {
  /// What an answer comes to.
  package enum Outcome: Sendable {
    /// The certificate of the request's key, and after it, as far as the answer has them, those that lead
    /// to an authority.
    case issued([PresentedCertificate])
    /// Nothing now: the same request is sent again later.
    case later
    /// The server does not take who asks; its status.
    case denied(Int)
    /// This request comes to nothing; why, with the server as the subject.
    case refused(String)
  }

  /// The headers of a request.
  package static let headers = [
    ("Content-Type", "application/pkcs10"), ("Content-Transfer-Encoding", "base64"),
  ]

  /// The body of a request, for a signing request (PKCS #10, DER).
  package static func body(_ request: [UInt8]) -> [UInt8] { [UInt8](Base64.encode(request).utf8) }

  /// What an answer means for the signing request that was sent.
  package static func outcome(status: Int, body: [UInt8], for request: [UInt8]) -> Outcome {
    switch status {
    case 200: break
    // Accepted, or overloaded: the same request is sent again later (RFC 7030 §4.2.3).
    case 202, 408, 429, 500...: return .later
    case 401, 403: return .denied(status)
    default: return .refused("refuses the signing request: it answered \(status)")
    }
    guard let certificates = certificates(in: body) else {
      return .refused("answered no certificates (PKCS #7)")
    }
    guard let leaf = certificates.first(where: { $0.isFor(request) }) else {
      return .refused("answered no certificate of the device's key")
    }
    return .issued(chain(from: [leaf], among: certificates))
  }

  /// The certificates of an answer, which are in no certain order; nil for what is no such message.
  package static func certificates(in body: [UInt8]) -> [PresentedCertificate]? {
    // Some send the message itself, whatever the transfer encoding.
    let packed = body.filter { $0 > 0x20 }
    return CertificatesOnlyMessage.certificates(in: Base64.decode(packed) ?? body)
  }

  /// A chain made longer by those of `certificates` that lead on from its end.
  package static func chain(
    from start: [PresentedCertificate],
    among certificates: [PresentedCertificate]
  ) -> [PresentedCertificate] {
    var chain = start
    while let last = chain.last,
      let next = certificates.first(where: { other in
        last.isSigned(by: other) && !chain.contains { $0.der == other.der }
      })
    {
      chain.append(next)
    }
    return chain
  }
}
