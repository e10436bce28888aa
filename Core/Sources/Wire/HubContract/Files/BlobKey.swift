internal import ByteIO

/// What names a blob: a container and a name in it; ordered by the bytes of both.
public struct BlobKey: Hashable, Comparable, Sendable {
  /// The most bytes of a name.
  public static let nameLimit = 1_024

  /// The container.
  public let container: String
  /// The name, whose segments are parted by slashes.
  public let name: String

  /// Creates a key; nil unless container and name are legal.
  ///
  /// A name's segments are neither empty nor `.` nor `..`: clients take such segments out of a URL
  /// before they send it, so that the name would stand for another one.
  public init?(container: String, name: String) {
    guard Self.isContainer(container), (1...Self.nameLimit).contains(name.utf8.count),
      name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\\") })
    else { return nil }
    // By bytes: with a combining mark behind it a slash is another character, and parts a URL all the
    // same.
    let segments = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      .map { Substring($0) }
    guard segments.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }) else { return nil }
    self.container = container
    self.name = name
  }

  /// The name as it stands in a URL: only what would end the path, or begin an escape, is escaped.
  ///
  /// Stock clients put the answer of an upload into a URL as it is.
  public var urlName: String {
    String(
      decoding: name.utf8.flatMap { byte -> [UInt8] in
        switch byte {
        case UInt8(ascii: "%"), UInt8(ascii: "?"), UInt8(ascii: "#"): PercentCoding.encode([byte])
        default: [byte]
        }
      },
      as: UTF8.self
    )
  }

  /// Whether `text` may name a container: 3 to 63 lower-case letters, digits and hyphens, of which
  /// none stands at an end.
  public static func isContainer(_ text: String) -> Bool {
    (3...63).contains(text.utf8.count)
      && text.utf8.first != UInt8(ascii: "-") && text.utf8.last != UInt8(ascii: "-")
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
          UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }

  /// Whether `first` comes before `second`.
  public static func < (first: BlobKey, second: BlobKey) -> Bool {
    first.container == second.container
      ? first.name.utf8.lexicographicallyPrecedes(second.name.utf8)
      : first.container.utf8.lexicographicallyPrecedes(second.container.utf8)
  }
}
