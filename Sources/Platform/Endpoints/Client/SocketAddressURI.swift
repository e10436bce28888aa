/// An address of the workload or management API as users write it: `unix://<path>` or
/// `http://<host>:<port>`.
package enum SocketAddressURI: Equatable, Sendable, CustomStringConvertible {
  /// A unix socket.
  case unix(path: String)
  /// A port without TLS.
  case http(host: String, port: Int)

  /// The bytes that a socket's path may have (unix(7)), without the end mark.
  package static let pathLimit = 107

  /// Reads the address, nil if it is none.
  package init?(_ text: String) {
    if text.hasPrefix("unix://") {
      let path = String(text.dropFirst(7))
      guard path.hasPrefix("/"), path.utf8.count <= Self.pathLimit else { return nil }
      self = .unix(path: path)
      return
    }
    guard text.hasPrefix("http://") else { return nil }
    let rest = text.dropFirst(7)
    let authority = rest.hasSuffix("/") ? rest.dropLast() : rest
    guard let colon = authority.lastIndex(of: ":"),
      let port = Int(authority[authority.index(after: colon)...]), (1...65_535).contains(port),
      colon > authority.startIndex, !authority.contains("/")
    else { return nil }
    self = .http(host: String(authority[..<colon]), port: port)
  }

  package var description: String {
    switch self {
    case .unix(let path): "unix://\(path)"
    case .http(let host, let port): "http://\(host):\(port)"
    }
  }
}
