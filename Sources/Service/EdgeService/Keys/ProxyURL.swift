import ByteIO

/// The proxy that requests to the outside go through, as `https_proxy` names it.
package struct ProxyURL: Equatable, Sendable {
  package let host: String
  package let port: Int
  /// User and password, decoded; a secret.
  package let credential: (user: String, password: String)?

  /// Reads `[http://][user[:password]@]host[:port][/]`; nil for anything else.
  package init?(_ text: String) {
    var rest = text[...]
    if rest.lowercased().hasPrefix("http://") { rest = rest.dropFirst(7) }
    if rest.hasSuffix("/") { rest = rest.dropLast() }
    guard !rest.contains("/") else { return nil }
    if let at = rest.lastIndex(of: "@") {
      let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard let user = parts.first.flatMap({ PercentCoding.decode(String($0)) }),
        let password = PercentCoding.decode(parts.count > 1 ? String(parts[1]) : "")
      else { return nil }
      credential = (user, password)
      rest = rest[rest.index(after: at)...]
    } else {
      credential = nil
    }
    var port = 80
    if let colon = rest.lastIndex(of: ":"), !rest.hasSuffix("]") {
      guard let number = Int(rest[rest.index(after: colon)...]), (1...65_535).contains(number)
      else { return nil }
      port = number
      rest = rest[..<colon]
    }
    guard !rest.isEmpty else { return nil }
    host = String(rest)
    self.port = port
  }

  package static func == (first: ProxyURL, second: ProxyURL) -> Bool {
    first.host == second.host && first.port == second.port
      && first.credential?.user == second.credential?.user
      && first.credential?.password == second.credential?.password
  }

  /// The proxy that the variables of this process name for `host`, nil for none.
  ///
  /// - Throws: what is wrong with the variable, without its text, which may hold a password.
  package static func from(
    _ environment: [String: String],
    for host: String
  ) throws(ProxyURLFault) -> ProxyURL? {
    func variable(_ name: String) -> String? {
      (environment[name] ?? environment[name.uppercased()]).flatMap { $0.isEmpty ? nil : $0 }
    }
    guard let text = variable("https_proxy") else { return nil }
    for part in (variable("no_proxy") ?? "").split(separator: ",") {
      let name = part.filter { $0 != " " }.lowercased()
      let suffix = name.hasPrefix(".") ? name : "." + name
      if name == "*" || host.lowercased() == name || host.lowercased().hasSuffix(suffix) {
        return nil
      }
    }
    guard let proxy = ProxyURL(text) else { throw ProxyURLFault() }
    return proxy
  }
}

/// The variable `https_proxy` is none.
package struct ProxyURLFault: Error, Equatable, CustomStringConvertible {
  package var description: String {
    "https_proxy must be like http://user:password@proxy.example:3128"
  }
}

extension ProxyURL: CustomStringConvertible {
  /// Host and port, never the password.
  package var description: String { "\(host):\(port)" }
}
