/// What a registry asks for before it gives something away: the header `WWW-Authenticate` (RFC 9110
/// section 11.6.1).
public enum RegistryChallenge: Equatable, Sendable {
  /// User and password with every request.
  case basic
  /// A token that is to be had at `realm`, for a `service` and a `scope` if they are told.
  case bearer(realm: String, service: String?, scope: String?)

  private static let byteLimit = 8192

  /// Reads a header, nil for what this client cannot answer.
  public init?(_ header: String) {
    let bytes = Array(header.utf8.prefix(Self.byteLimit + 1))
    guard bytes.count <= Self.byteLimit else { return nil }
    let scheme = bytes.prefix { $0 != 0x20 }
    switch String(decoding: scheme, as: UTF8.self).lowercased() {
    case "basic": self = .basic
    case "bearer":
      guard let parameters = Self.parameters(bytes[scheme.count...]),
        let realm = parameters["realm"], !realm.isEmpty
      else { return nil }
      self = .bearer(realm: realm, service: parameters["service"], scope: parameters["scope"])
    default: return nil
    }
  }

  /// `name=value` or `name="value"`, between commas.
  private static func parameters(_ bytes: ArraySlice<UInt8>) -> [String: String]? {
    var parameters: [String: String] = [:]
    var rest = bytes
    func skip() { rest = rest.drop { $0 == 0x20 || $0 == 0x09 || $0 == UInt8(ascii: ",") } }
    skip()
    while !rest.isEmpty {
      let name = rest.prefix { $0 != UInt8(ascii: "=") }
      rest = rest.dropFirst(name.count)
      guard !name.isEmpty, rest.popFirst() != nil else { return nil }
      var value: [UInt8] = []
      if rest.first == UInt8(ascii: "\"") {
        rest.removeFirst()
        while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
          guard byte == UInt8(ascii: "\\") else {
            value.append(byte)
            continue
          }
          guard let escaped = rest.popFirst() else { return nil }
          value.append(escaped)
        }
      } else {
        value = Array(rest.prefix { $0 != UInt8(ascii: ",") && $0 != 0x20 })
        rest = rest.dropFirst(value.count)
      }
      let key = String(decoding: name, as: UTF8.self).lowercased()
      // Said twice, either could be meant.
      guard parameters.updateValue(String(decoding: value, as: UTF8.self), forKey: key) == nil
      else { return nil }
      skip()
    }
    return parameters
  }
}
