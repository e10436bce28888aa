/// What may name a host in the settings of an endpoint.
enum HostName {
  /// Whether `text` is a name or an address: an IPv6 address without brackets.
  static func isValid(_ text: String) -> Bool {
    guard (1...255).contains(text.utf8.count) else { return false }
    let colonCount = text.utf8.count { $0 == UInt8(ascii: ":") }
    // With one it is a host and its port, which has a place of its own.
    return colonCount != 1
      && text.utf8.allSatisfy { isAllowed($0, inLiteral: colonCount > 0) }
  }

  /// Whether `byte` may stand in a name, or in an IPv6 address.
  static func isAllowed(_ byte: UInt8, inLiteral isLiteral: Bool) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "."): true
    case UInt8(ascii: "-"), UInt8(ascii: "_"): !isLiteral
    case UInt8(ascii: ":"): isLiteral
    default: false
    }
  }

  /// Whether `host` is this machine itself: an address of loopback, or `localhost`.
  static func isLoopback(_ host: String) -> Bool {
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return host == "localhost" || host == "::1"
      || (parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil })
  }
}
