/// A claims set: what evidence and attestation results say (RFC 9711, RFC 8392).
///
/// The claims that devices and their appraisers need are fields; all others are kept as they came,
/// so that a set which is read can be written again without a loss.
public struct EATClaims: Equatable, Sendable {
  /// `iss`: who made the statement.
  public var issuer: CBORText?
  /// `sub`: whom it is about.
  public var subject: CBORText?
  /// `aud`: whom it is for.
  public var audience: CBORText?
  /// `exp`: from when on it does not hold, in seconds since 1970.
  public var expiration: UInt64?
  /// `nbf`: before when it does not hold, in seconds since 1970.
  public var notBefore: UInt64?
  /// `iat`: when it was made by its maker's clock, in seconds since 1970.
  public var issuedAt: UInt64?
  /// `cti`: the token's own identifier.
  public var tokenIdentifier: [UInt8]?
  /// `cnf`: the key that whoever presents the token has to prove to have (RFC 8747 §3.2).
  public var confirmationKey: COSEKey?
  /// `eat_nonce`: what the other side asked to see again, 8 to 64 bytes each.
  public var nonces: [[UInt8]] = []
  /// `ueid`: the device's identifier, a byte for its type first; 7 to 33 bytes.
  public var deviceIdentifier: [UInt8]?
  /// `oemid`: who made the device.
  public var manufacturer: EATManufacturer?
  /// `hwmodel`: which model it is, by the maker's own count; 1 to 32 bytes.
  public var hardwareModel: [UInt8]?
  /// `hwversion`.
  public var hardwareVersion: EATVersion?
  /// `uptime`: seconds since the device started.
  public var uptime: UInt64?
  /// `oemboot`: whether everything that started was authorised by the maker.
  public var isManufacturersBoot: Bool?
  /// `dbgstat`: whether it can be debugged.
  public var debugStatus: EATDebugStatus?
  /// `eat_profile`: the document that says how to read the set, a URI or the bytes of an OID.
  public var profile: EATProfile?
  /// `submods`: parts with claims of their own, by name; names are unique.
  public var submodules: [EATSubmodule] = []
  /// `bootcount`: how often it started.
  public var bootCount: UInt64?
  /// `bootseed`: a value that is new at every start; 8 to 64 bytes.
  public var bootSeed: [UInt8]?
  /// `swname`.
  public var softwareName: CBORText?
  /// `swversion`.
  public var softwareVersion: EATVersion?
  /// `measurements`: what was measured, in formats named by their numbers.
  public var measurements: [EATMeasurement] = []
  /// `intuse`: what the token is for.
  public var intendedUse: EATIntendedUse?
  /// Claims that are none of the above, private ones among them.
  public var others = CBORMap()

  /// Creates a set without claims.
  public init() {}
}

/// Keys of claims (RFC 8392 §4, RFC 8747 §7.1, RFC 9711 §10.2).
public enum EATLabel {
  /// `iss`.
  public static let issuer: Int64 = 1
  /// `sub`.
  public static let subject: Int64 = 2
  /// `aud`.
  public static let audience: Int64 = 3
  /// `exp`.
  public static let expiration: Int64 = 4
  /// `nbf`.
  public static let notBefore: Int64 = 5
  /// `iat`.
  public static let issuedAt: Int64 = 6
  /// `cti`.
  public static let tokenIdentifier: Int64 = 7
  /// `cnf`.
  public static let confirmation: Int64 = 8
  /// `eat_nonce`.
  public static let nonce: Int64 = 10
  /// `ueid`.
  public static let deviceIdentifier: Int64 = 256
  /// `oemid`.
  public static let manufacturer: Int64 = 258
  /// `hwmodel`.
  public static let hardwareModel: Int64 = 259
  /// `hwversion`.
  public static let hardwareVersion: Int64 = 260
  /// `uptime`.
  public static let uptime: Int64 = 261
  /// `oemboot`.
  public static let manufacturersBoot: Int64 = 262
  /// `dbgstat`.
  public static let debugStatus: Int64 = 263
  /// `eat_profile`.
  public static let profile: Int64 = 265
  /// `submods`.
  public static let submodules: Int64 = 266
  /// `bootcount`.
  public static let bootCount: Int64 = 267
  /// `bootseed`.
  public static let bootSeed: Int64 = 268
  /// `swname`.
  public static let softwareName: Int64 = 270
  /// `swversion`.
  public static let softwareVersion: Int64 = 271
  /// `measurements`.
  public static let measurements: Int64 = 273
  /// `intuse`.
  public static let intendedUse: Int64 = 275
}

/// Who made a device (RFC 9711 §4.2.3).
public enum EATManufacturer: Equatable, Sendable {
  /// 16 random bytes that the maker took once.
  case random([UInt8])
  /// An IEEE OUI, MA-L, MA-M or MA-S: 3 bytes here.
  case ieee([UInt8])
  /// An IANA private enterprise number.
  case enterpriseNumber(UInt64)
}

/// Whether and since when a device can't be debugged (RFC 9711 §4.2.9).
public enum EATDebugStatus: UInt64, Equatable, Sendable {
  /// It can be.
  case enabled = 0
  /// It can't be now.
  case disabled = 1
  /// It could not be since it started.
  case disabledSinceBoot = 2
  /// It can't be by its owner, for good.
  case disabledPermanently = 3
  /// It can't be by anybody, for good.
  case disabledFullyAndPermanently = 4
}

/// A version and perhaps the number of the scheme it follows (RFC 9711 §4.2.5).
public struct EATVersion: Equatable, Sendable {
  /// The version.
  public var text: CBORText
  /// The scheme, by CoSWID's registry; nil if it is not said.
  public var scheme: Int64?

  /// Creates a version.
  public init(_ text: CBORText, scheme: Int64? = nil) {
    self.text = text
    self.scheme = scheme
  }
}

/// The document by which a claims set is to be read (RFC 9711 §4.3.2).
public enum EATProfile: Equatable, Sendable {
  /// Its URI.
  case uri(CBORText)
  /// The contents octets of its object identifier.
  case objectIdentifier([UInt8])
}

/// What a token is for (RFC 9711 §4.3.3).
public enum EATIntendedUse: UInt64, Equatable, Sendable {
  /// Nothing in particular.
  case generic = 1
  /// Registering with a service.
  case registration = 2
  /// Being provisioned.
  case provisioning = 3
  /// Asking for a certificate.
  case certificateIssuance = 4
  /// Proving that a key is there.
  case proofOfPossession = 5
}

/// One measurement in a format of its own (RFC 9711 §4.2.16).
public struct EATMeasurement: Equatable, Sendable {
  /// The CoAP content format of the content.
  public var contentFormat: UInt16
  /// What was measured.
  public var content: [UInt8]

  /// Creates a measurement.
  public init(contentFormat: UInt16, content: [UInt8]) {
    self.contentFormat = contentFormat
    self.content = content
  }
}

/// A part of a device with claims of its own (RFC 9711 §4.2.18).
public struct EATSubmodule: Equatable, Sendable {
  /// What a part says.
  public indirect enum Content: Equatable, Sendable {
    /// Claims that the whole device's signature covers.
    case claims(EATClaims)
    /// A token that the part signed itself.
    case token([UInt8])
  }

  /// The part's name.
  public var name: CBORText
  /// What it says.
  public var content: Content

  /// Creates a part.
  public init(_ name: CBORText, _ content: Content) {
    self.name = name
    self.content = content
  }
}
