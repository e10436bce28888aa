import Glibc

/// Names that a certificate can be made for.
package enum HostName {
  /// Whether a certificate can be made for `name`: an address, or a host name as in RFC 1123 (§2.1)
  /// with underscores too, which local networks have.
  package static func isValid(_ name: String) -> Bool {
    if address(name) != nil { return true }
    let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return name.utf8.count <= 253
      && labels.allSatisfy { label in
        (1...63).contains(label.count) && label.first != UInt8(ascii: "-")
          && label.last != UInt8(ascii: "-")
          && label.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
              UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
              true
            default: false
            }
          }
      }
  }

  /// The bytes of an address, 4 or 16; nil for any other name.
  static func address(_ name: String) -> [UInt8]? {
    // A call of C's reads to the first zero, and would take "127.0.0.1" with anything behind that.
    guard !name.utf8.contains(0) else { return nil }
    var four = in_addr()
    if inet_pton(AF_INET, name, &four) == 1 { return withUnsafeBytes(of: &four) { Array($0) } }
    var six = in6_addr()
    if inet_pton(AF_INET6, name, &six) == 1 { return withUnsafeBytes(of: &six) { Array($0) } }
    return nil
  }
}
