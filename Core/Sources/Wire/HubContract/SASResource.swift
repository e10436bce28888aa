internal import ByteIO

/// What a token gives access to, or what somebody wants to access: a host and path segments.
///
/// Normalised as contract §2.1 asks: decoded once, scheme and port dropped, host in lower case,
/// a last segment `api-version=…` of old tools ignored.
public struct SASResource: Hashable, Sendable, CustomStringConvertible {
  /// The scheme in lower case, nil if there was none.
  public let scheme: String?
  /// The host in lower case, without port.
  public let host: String
  /// The path's segments, case kept.
  public let segments: [String]

  /// Creates a resource of parts that are decoded already.
  public init(host: String, segments: [String] = []) {
    scheme = nil
    self.host = Self.lowercase(host)
    self.segments = segments
  }

  /// The resource that a client of `identity` accesses (contract §2.1).
  public init(host: String, identity: IdentityKey) {
    let module = identity.moduleID.map { ["modules", $0] } ?? []
    self.init(host: host, segments: ["devices", identity.deviceID] + module)
  }

  /// Reads a decoded resource such as `sb://Host:5671/entity` or `host/devices/d1`.
  public init(decoded text: String) {
    var rest = text.utf8[...]
    var scheme: String?
    if let colon = rest.firstIndex(of: UInt8(ascii: ":")),
      rest[colon...].starts(with: "://".utf8), colon > rest.startIndex,
      rest[..<colon].allSatisfy(Self.isSchemeCharacter)
    {
      scheme = Self.lowercase(String(text[..<colon]))
      rest = rest[colon...].dropFirst(3)
    }
    var parts = rest.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      .map { String(Substring($0)) }
    let authority = parts.removeFirst()
    while parts.last?.isEmpty == true { parts.removeLast() }
    // Behind "devices" or "modules" it would be an identity's ID, and dropping it would widen the
    // token to all of them.
    if let last = parts.last, last.utf8.starts(with: "api-version=".utf8),
      !["devices", "modules"].contains(parts.dropLast().last)
    {
      parts.removeLast()
    }
    self.scheme = scheme
    host = Self.lowercase(Self.withoutPort(authority))
    segments = parts
  }

  /// How a key becomes the HMAC key of tokens for this resource.
  public var keyUse: SASKeyUse {
    switch scheme {
    case "sb", "amqp", "amqps": .text
    default: .decoded
    }
  }

  /// Whether a token for this resource gives access to `accessed`: same host, and these segments are
  /// the first of the other's.
  ///
  /// Segments are compared as they are, or without regard to ASCII case for Event Hubs entities
  /// (contract §8.1).
  public func covers(_ accessed: SASResource, ignoringCase: Bool = false) -> Bool {
    guard Self.same(host, accessed.host), segments.count <= accessed.segments.count else {
      return false
    }
    return zip(segments, accessed.segments).allSatisfy { mine, other in
      ignoringCase
        ? Self.same(Self.lowercase(mine), Self.lowercase(other)) : Self.same(mine, other)
    }
  }

  /// Host and path joined by slashes.
  public var description: String { ([host] + segments).joined(separator: "/") }

  // By bytes: equality of strings joins texts that differ on the wire.
  private static func same(_ first: String, _ second: String) -> Bool {
    first.utf8.elementsEqual(second.utf8)
  }

  private static func isSchemeCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "+"), UInt8(ascii: "-"),
      UInt8(ascii: "."):
      true
    default: false
    }
  }

  private static func withoutPort(_ authority: String) -> String {
    guard let colon = authority.utf8.lastIndex(of: UInt8(ascii: ":")) else { return authority }
    let port = authority.utf8[colon...].dropFirst()
    let name = authority.utf8[..<colon]
    // A colon inside the brackets of an IPv6 address is none of a port's.
    guard port.allSatisfy({ (0x30...0x39).contains($0) }),
      !name.contains(UInt8(ascii: ":")) || name.last == UInt8(ascii: "]")
    else { return authority }
    return String(Substring(name))
  }

  static func lowercase(_ text: String) -> String {
    String(decoding: text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
  }
}

/// How a key in base64 text becomes an HMAC key (contract §2.1).
public enum SASKeyUse: Sendable, CaseIterable {
  /// The bytes that the text stands for: hub and provisioning tokens.
  case decoded
  /// The bytes of the text itself: Event Hubs tokens.
  case text

  /// The other one, which an AMQP connection tries before failing.
  public var other: SASKeyUse { self == .decoded ? .text : .decoded }
}
