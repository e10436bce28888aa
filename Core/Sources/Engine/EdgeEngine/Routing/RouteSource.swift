/// Which messages a route is tried on (edge contract section 6.2).
///
/// Trailing stars and slashes are dropped; what is left has to begin the message's path, on whole
/// segments, ignoring case. So a star elsewhere is a plain character: `read*` at the end means the
/// segment `read`, and `/messages/*/x` matches nothing that exists.
public struct RouteSource: Hashable, Sendable {
  /// In lower case.
  private let segments: [String]

  /// The source that is written as `written`.
  public init(_ written: [String]) {
    var path = written.joined(separator: "/").lowercased().utf8[...]
    while let last = path.last, last == UInt8(ascii: "*") || last == UInt8(ascii: "/") {
      path.removeLast()
    }
    segments = path.split(separator: UInt8(ascii: "/")).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Whether the route is tried on messages of `source`; allocates nothing for names in ASCII.
  public func matches(_ source: MessageSource) -> Bool {
    for index in segments.indices {
      guard let segment = source.segment(index),
        segment.isEqual(ignoringCaseOf: segments[index])
      else { return false }
    }
    return true
  }

  /// Whether the route is tried on messages whose path is `path`.
  public func matches(path: String) -> Bool {
    let parts = path.utf8.split(separator: UInt8(ascii: "/"))
    guard parts.count >= segments.count else { return false }
    return zip(parts, segments).allSatisfy { part, segment in
      String(decoding: part, as: UTF8.self).isEqual(ignoringCaseOf: segment)
    }
  }
}

extension String {
  /// Whether this is `lowercased`, which is in lower case, ignoring this one's case.
  fileprivate func isEqual(ignoringCaseOf lowercased: String) -> Bool {
    let mine = utf8Span.span
    let theirs = lowercased.utf8Span.span
    for index in mine.indices {
      let byte = mine[index]
      guard byte < 0x80 else { return self.lowercased().utf8.elementsEqual(lowercased.utf8) }
      let isCapital = (0x41...0x5A).contains(byte)
      guard index < theirs.count, theirs[index] == (isCapital ? byte | 0x20 : byte) else {
        return false
      }
    }
    return mine.count == theirs.count
  }
}
