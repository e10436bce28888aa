internal import ByteIO

/// How the sender of an event had authenticated (contract §8.4).
public struct ConnectionAuthMethod: Hashable, Sendable {
  /// Whose credential it was.
  public enum Scope: UInt8, Sendable, CaseIterable {
    /// The device's own.
    case device = 1
    /// The module's own.
    case module = 2
    /// A policy's of the hub.
    case hub = 3
  }

  /// What kind of credential it was.
  public enum CredentialType: UInt8, Sendable, CaseIterable {
    /// A shared access signature.
    case sas = 1
    /// A certificate.
    case x509 = 2
    /// A symmetric key.
    case symmetricKey = 3
  }

  /// Who vouches for it.
  public enum Issuer: UInt8, Sendable, CaseIterable {
    /// The hub, by key or thumbprint.
    case iothub = 1
    /// A certificate authority.
    case external = 2
  }

  /// Whose credential it was.
  public var scope: Scope
  /// What kind of credential it was.
  public var type: CredentialType
  /// Who vouches for it.
  public var issuer: Issuer

  /// Creates a description.
  public init(scope: Scope, type: CredentialType, issuer: Issuer = .iothub) {
    self.scope = scope
    self.type = type
    self.issuer = issuer
  }

  /// The text of annotation `iothub-connection-auth-method`.
  public var json: String {
    let scopeName =
      switch scope {
      case .device: "device"
      case .module: "module"
      case .hub: "hub"
      }
    let typeName =
      switch type {
      case .sas: "sas"
      case .x509: "x509"
      case .symmetricKey: "symkey"
      }
    let issuerName =
      switch issuer {
      case .iothub: "iothub"
      case .external: "external"
      }
    return
      #"{"scope":"\#(scopeName)","type":"\#(typeName)","issuer":"\#(issuerName)","acceptingIpFilterRule":null}"#
  }

  var code: UInt8 { scope.rawValue | type.rawValue << 2 | issuer.rawValue << 4 }

  init?(code: UInt8) {
    guard code < 64, let scope = Scope(rawValue: code & 3),
      let type = CredentialType(rawValue: code >> 2 & 3), let issuer = Issuer(rawValue: code >> 4)
    else { return nil }
    self.init(scope: scope, type: type, issuer: issuer)
  }
}

/// What every event of one connection has in common, encoded once when the connection is made.
public struct EventStamp: Equatable, Sendable {
  /// The sender.
  public let identity: IdentityKey
  /// The encoded form, as it stands in every record; see `EventEncoder`.
  @usableFromInline let bytes: [UInt8]
  /// The encoded form behind the fixed fields of ordinary telemetry: what nearly every record begins
  /// with.
  @usableFromInline let telemetryHead: [UInt8]

  /// Bytes that the stamp takes in every record.
  @inlinable public var byteCount: Int { bytes.count }

  /// Creates the stamp of an identity's events.
  ///
  /// Events that the hub makes itself have no authentication method and no generation ID (contract
  /// §9.3). Texts longer than the record can hold (IDs 255 bytes, model ID 65,535) are cut;
  /// valid ones never are.
  public init(
    identity: IdentityKey,
    authMethod: ConnectionAuthMethod? = nil,
    generationID: String? = nil,
    modelID: String? = nil
  ) {
    self.identity = identity
    var writer = ByteWriter(capacity: 96)
    writer.uint8(authMethod?.code ?? 0)
    Self.append(identity.deviceID, to: &writer)
    Self.append(identity.moduleID ?? "", to: &writer)
    Self.append(generationID ?? "", to: &writer)
    let model = [UInt8]((modelID ?? "").utf8.prefix(Int(UInt16.max)))
    writer.uint16LE(UInt16(truncatingIfNeeded: model.count))
    writer.append(model)
    bytes = writer.bytes
    telemetryHead = [EventEncoder.version, EventSource.telemetry.rawValue, 0] + bytes
  }

  /// What the stamp was made of, decoded.
  public var parts:
    (
      identity: IdentityKey, authMethod: ConnectionAuthMethod?, generationID: String?,
      modelID: String?
    )
  {
    // A whole event has to stand round it to be read.
    let record = telemetryHead + [0, 0, 0, 0]
    guard let view = try? EventView(record.span) else {
      preconditionFailure("a stamp that was encoded here cannot be read")
    }
    func text(_ range: Range<Int>) -> String? { range.isEmpty ? nil : view.text(range) }
    return (
      view.identity, view.authMethod, text(view.generationIDRange), text(view.modelIDRange)
    )
  }

  private static func append(_ text: String, to writer: inout ByteWriter) {
    let bytes = [UInt8](text.utf8.prefix(255))
    writer.uint8(UInt8(truncatingIfNeeded: bytes.count))
    writer.append(bytes)
  }
}
