/// The settings of a webhook endpoint.
public struct WebhookEndpoint: Equatable, Sendable {
  /// A header whose value is a secret.
  ///
  /// The value is in a file of the hub's machine and never in the configuration, which people show,
  /// compare and keep beside their code, and which therefore has nothing to hide or to lose on its way
  /// back. The file is replaced to change the secret, without a change of the routes.
  public struct Secret: Equatable, Sendable {
    /// Name of the file.
    public var name: String
    /// Name of the header.
    public var header = "Authorization"

    /// Names a file for the header Authorization.
    public init(name: String) { self.name = name }
  }

  /// Where events are posted to.
  public var uri: String
  /// The header that proves who posts; nil for none.
  public var secret: Secret?
  /// Most events of one request; with 1 each event is a request's body itself.
  public var batchCount = 1
  /// Seconds that one request may take.
  public var timeoutSeconds = 30
  /// Seconds after which an event that can't be delivered is dead-lettered.
  public var timeToLiveSeconds = 86_400

  /// What `batchCount` can be.
  public static let batchCountRange = 1...100
  /// What `timeoutSeconds` can be.
  public static let timeoutSecondsRange = 1...230
  /// What `timeToLiveSeconds` can be.
  public static let timeToLiveSecondsRange = 60...604_800

  /// Creates settings with the defaults.
  public init(uri: String) { self.uri = uri }

  /// Whether events go there encrypted.
  public var isEncrypted: Bool { uri.hasPrefix("https://") }

  /// The host of `uri`, without brackets; nil if it is no URI of a webhook: of another scheme, without
  /// a host, or with credentials in it.
  public var host: String? {
    let authority = uri.dropFirst(isEncrypted ? 8 : 7).prefix { $0 != "/" && $0 != "?" }
    guard isEncrypted || uri.hasPrefix("http://") else { return nil }
    let isLiteral = authority.first == "["
    let end = authority.firstIndex(of: isLiteral ? "]" : ":") ?? authority.endIndex
    let host = isLiteral ? authority[..<end].dropFirst() : authority[..<end]
    let port = authority[end...].drop { isLiteral && $0 == "]" }
    guard !host.isEmpty, host.utf8.allSatisfy({ HostName.isAllowed($0, inLiteral: isLiteral) }),
      !isLiteral || end < authority.endIndex,
      port.isEmpty || (port.first == ":" && UInt16(port.dropFirst()) ?? 0 > 0)
    else { return nil }
    return String(host)
  }

  /// Whether `uri` names this machine itself: by an address of loopback, or as `localhost`.
  public var isLoopback: Bool { host.map(HostName.isLoopback) ?? false }
}
