import AsyncHTTPClient
import Endpoints
import NIOCore
import NIOPosix
import NIOSSL

/// Why a request that the hub sent got no answer, in words that hold no part of it.
enum RequestFailure {
  /// The reason of `error`; `setting` names the file of further authorities.
  static func reason(
    _ error: any Error,
    connectSeconds: Int64,
    seconds: Int64,
    setting: String
  ) -> String {
    if let error = error as? HTTPClientError {
      switch error {
      case .connectTimeout: return "no connection within \(connectSeconds) seconds"
      case .deadlineExceeded: return "no answer within \(seconds) seconds"
      case .tlsHandshakeTimeout: return "it does not answer in TLS"
      default: return error.shortDescription
      }
    }
    if error is NIOSSLError || error is BoringSSLError || error is NIOSSLExtraError {
      // BoringSSL has no other way to tell it than its text.
      return "\(error)".contains("CERTIFICATE_VERIFY_FAILED")
        ? "its certificate is not trusted (\(setting) names further authorities)"
        : "TLS failed: \(error)"
    }
    if let error = error as? NIOConnectionError {
      let lookup = (error.dnsAError ?? error.dnsAAAAError).map { "\($0)" }
      return error.connectionErrors.first.map { SystemError.text($0.error) } ?? lookup
        ?? "no address"
    }
    return "\(error)"
  }
}
