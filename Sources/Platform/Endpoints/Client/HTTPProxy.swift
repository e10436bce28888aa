import ByteIO

/// An HTTP proxy through which connections are tunnelled with CONNECT (RFC 9110 §9.3.6).
package struct HTTPProxy: Sendable, Equatable {
  /// Name or address.
  package let host: String
  package let port: Int
  /// Who asks, if the proxy wants to know.
  package let user: String?
  /// A secret.
  package let password: String?

  /// Reads `http://[user[:password]@]host[:port]`, user and password percent-encoded; the port is 80
  /// if none is given.
  ///
  /// - Throws: `HTTPProxyFault`.
  package init(_ url: String) throws(HTTPProxyFault) {
    let scheme = "http://"
    guard url.lowercased().hasPrefix(scheme) else { throw .otherScheme }
    var rest = url.dropFirst(scheme.count)
    rest = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    (user, password) = try Self.credential(&rest)
    var name = rest
    var digits: Substring?
    if rest.first == "[" {
      guard let end = rest.firstIndex(of: "]") else { throw .noHost }
      name = rest[rest.index(after: rest.startIndex)..<end]
      let behind = rest[rest.index(after: end)...]
      guard behind.isEmpty || behind.first == ":" else { throw .noHost }
      digits = behind.isEmpty ? nil : behind.dropFirst()
    } else if let colon = rest.lastIndex(of: ":") {
      name = rest[..<colon]
      digits = rest[rest.index(after: colon)...]
    }
    guard !name.isEmpty, name.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { throw .noHost }
    host = String(name)
    guard let digits else {
      port = 80
      return
    }
    guard let number = Int(digits), (1...65_535).contains(number) else { throw .noPort }
    port = number
  }

  private static func credential(
    _ rest: inout Substring
  ) throws(HTTPProxyFault) -> (user: String?, password: String?) {
    guard let at = rest.lastIndex(of: "@") else { return (nil, nil) }
    let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    rest = rest[rest.index(after: at)...]
    var decoded: [String] = []
    for part in parts {
      guard let text = PercentCoding.decode(String(part)) else { throw .brokenEscape }
      decoded.append(text)
    }
    // A colon would end the user's name (RFC 7617 §2).
    guard let user = decoded.first, !user.contains(":") else { throw .brokenEscape }
    return (user, decoded.count > 1 ? decoded[1] : "")
  }

  /// The value of Proxy-Authorization, a secret; nil without a user.
  var authorization: String? {
    user.map { "Basic \(Base64.encode(Array("\($0):\(password ?? "")".utf8)))" }
  }
}

extension HTTPProxy: CustomStringConvertible {
  /// The proxy without its credential, as logs show it.
  package var description: String {
    "http://\(host.contains(":") ? "[\(host)]" : host):\(port)"
  }
}

/// What keeps a text from being a proxy's URL.
package enum HTTPProxyFault: Error, Equatable, CustomStringConvertible {
  /// It does not begin with `http://`.
  case otherScheme
  /// It names no host.
  case noHost
  /// What stands behind the host's colon is no port.
  case noPort
  /// User or password hold a `%` without two digits, or the user a colon.
  case brokenEscape

  /// What is wrong and how to mend it; never a part of the URL, which may hold a password.
  package var description: String {
    let form = "write the proxy as http://user:password@host:port"
    return switch self {
    case .otherScheme: "only proxies that are spoken to over http:// are supported; \(form)"
    case .noHost: "the proxy's URL names no host; \(form)"
    case .noPort: "the proxy's port is no number from 1 to 65535; \(form)"
    case .brokenEscape:
      "the proxy's user or password is not percent-encoded; write % as %25, : as %3A, @ as %40"
    }
  }
}
