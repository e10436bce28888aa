internal import ByteIO

/// What a CONNECT asks for, as owned values (MQTT 3.1.1 §3.1).
///
/// A client fills it in; a server copies it out of the packet when the decision takes longer than
/// the bytes live. It holds a secret: never print it.
public struct ConnectRequest: Sendable, Equatable {
  /// UTF-8; may be empty with a clean session only [MQTT-3.1.3-7].
  public var clientIdentifier: [UInt8]
  /// Whether the session begins anew and ends with the connection.
  public var cleanSession: Bool
  /// Keep Alive in seconds, 0 meaning off.
  public var keepAliveSeconds: UInt16
  /// What to publish when the connection ends without DISCONNECT.
  public var will: Will?
  /// UTF-8 of the user name.
  public var userName: [UInt8]?
  /// The password; needs a user name [MQTT-3.1.2-22].
  public var password: [UInt8]?

  /// Creates a request from its parts.
  public init(
    clientIdentifier: [UInt8],
    cleanSession: Bool,
    keepAliveSeconds: UInt16,
    will: Will? = nil,
    userName: [UInt8]? = nil,
    password: [UInt8]? = nil
  ) {
    self.clientIdentifier = clientIdentifier
    self.cleanSession = cleanSession
    self.keepAliveSeconds = keepAliveSeconds
    self.will = will
    self.userName = userName
    self.password = password
  }

  /// Copies the request that `layout` found in `bytes`.
  public init(_ layout: ConnectLayout, in bytes: Span<UInt8>) {
    self.init(
      clientIdentifier: bytes.extracting(layout.clientIdentifier).array(),
      cleanSession: layout.cleanSession,
      keepAliveSeconds: layout.keepAliveSeconds,
      will: nil
    )
    if let part = layout.will { will = Will(part, in: bytes) }
    if let range = layout.userName { userName = bytes.extracting(range).array() }
    if let range = layout.password { password = bytes.extracting(range).array() }
  }
}
