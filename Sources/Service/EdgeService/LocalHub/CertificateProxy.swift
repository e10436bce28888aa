import ByteIO
import HTTPTypes
import HubContract
import Platform

/// Takes certificates that clients have shown to the proxy in front of the local hub, which ends their
/// TLS: the module that `ApiProxyModuleId` names (edge contract section 5.2).
struct CertificateProxy: Sendable {
  /// The header that holds the certificate, PEM in percent coding.
  static let header = "x-ms-edge-clientcert"
  /// Characters of that header.
  private static let limit = 32 << 10

  let hub: LocalHub

  /// The certificate that a request's header holds, DER; nil for none.
  ///
  /// Anybody can write that header: it counts only beside the token of the module itself.
  func certificate(_ text: String?, authorization: String?) -> [UInt8]? {
    guard let text, !text.isEmpty, text.utf8.count <= Self.limit, let authorization else {
      return nil
    }
    let proxy = IdentityKey(
      deviceID: hub.identity.deviceID,
      moduleID: hub.options.variables.proxyModuleID
    )
    guard hub.isModule(proxy, by: authorization), let pem = PercentCoding.decode(text) else {
      return nil
    }
    return PresentedCertificate(Array(pem.utf8))?.der
  }
}

extension HTTPField.Name {
  /// What the client of a proxy presented.
  static let forwardedCertificate: HTTPField.Name = {
    guard let name = HTTPField.Name(CertificateProxy.header) else {
      preconditionFailure("that is a token")
    }
    return name
  }()
}
