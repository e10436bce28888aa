/// The server's answer to a CONNECT (MQTT 3.1.1 §3.2.2.3).
///
/// The raw value is the one on the wire; 6 to 255 are reserved.
public enum ConnectReturnCode: UInt8, BitwiseCopyable, Sendable {
  /// The connection stands.
  case accepted = 0
  /// The server does not speak the requested protocol level.
  case unacceptableProtocolVersion = 1
  /// The client identifier is well-formed, and not allowed here.
  case identifierRejected = 2
  /// The service behind the connection is not available.
  case serverUnavailable = 3
  /// The user name or the password is malformed.
  case badUserNameOrPassword = 4
  /// The client may not connect.
  case notAuthorized = 5
}
