package import MQTT

/// Why a client's connection did not come about, or ended.
package enum ClientFault: Error, Sendable, CustomStringConvertible {
  /// No TCP connection.
  case unreachable(String)
  /// TLS failed, or the stream broke.
  case failed(String)
  /// The server refused the CONNECT.
  case refused(ConnectReturnCode)
  /// The connection ended for this reason.
  case ended(CloseReason)
  /// The server takes messages and acknowledges none.
  case stalled
  /// The server did not grant a subscription.
  case subscriptionRefused
  /// What was to be sent has no place in a packet.
  case unencodable

  /// What happened, for people.
  package var description: String {
    switch self {
    case .unreachable(let reason): "no connection: \(reason)"
    case .failed(let reason): reason
    case .refused(let code): Self.text(code)
    case .ended(let reason): "the connection ended: \(Self.text(reason))"
    case .stalled: "the server takes messages and acknowledges none"
    case .subscriptionRefused: "the server refused a subscription"
    case .unencodable: "the message or its topic is too long"
    }
  }

  /// Whether another attempt with the same credential may succeed.
  package var mayMend: Bool {
    switch self {
    case .unreachable, .failed, .ended, .stalled: true
    case .refused(let code): code == .serverUnavailable
    case .subscriptionRefused, .unencodable: false
    }
  }

  /// What an error of the channel means.
  init(_ error: any Error) {
    if let fault = error as? ClientFault {
      self = fault
      return
    }
    let text = SystemError.text(error)
    let isUntrusted = text.contains("CERTIFICATE_VERIFY_FAILED")
    self = .failed(isUntrusted ? "the server's certificate is not trusted" : text)
  }

  private static func text(_ code: ConnectReturnCode) -> String {
    switch code {
    case .accepted: "accepted"
    case .unacceptableProtocolVersion: "the server does not speak MQTT 3.1.1"
    case .identifierRejected: "the server rejects the client identifier"
    case .serverUnavailable: "the server is not available at the moment"
    case .badUserNameOrPassword: "the server does not understand the user name"
    case .notAuthorized:
      "the server does not accept the credential: unknown or disabled, wrong key, or expired"
    }
  }

  private static func text(_ reason: CloseReason) -> String {
    switch reason {
    case .disconnected: "disconnected"
    case .linkLost: "the server closed it"
    case .fault(let fault): "protocol fault, \(fault)"
    case .connectTimeout: "no answer to CONNECT"
    case .authenticationTimeout: "authentication took too long"
    case .keepAliveExpired: "silence"
    case .pingTimeout: "no answer to a ping"
    case .refused(let code): text(code)
    case .misuse: "an error of this program"
    }
  }
}
