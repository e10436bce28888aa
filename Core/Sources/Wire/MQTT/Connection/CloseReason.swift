/// Why a connection ended or has to.
public enum CloseReason: Sendable, Equatable {
  /// The client said DISCONNECT, or we did as a client (§3.14).
  case disconnected
  /// The link went away by itself, or its owner closed it.
  case linkLost
  /// The peer broke a rule or ran into a limit.
  case fault(MQTTFault)
  /// No CONNECT came in time, or no CONNACK.
  case connectTimeout
  /// The decision on a CONNECT took too long.
  case authenticationTimeout
  /// The client was silent for longer than its keep alive allows [MQTT-3.1.2-24].
  case keepAliveExpired
  /// No PINGRESP came in time (§3.1.2.10).
  case pingTimeout
  /// The server refused the CONNECT with this code.
  case refused(ConnectReturnCode)
  /// The driver did what the machine's contract forbids: our own bug.
  ///
  /// Traps in debug builds.
  case misuse
}
