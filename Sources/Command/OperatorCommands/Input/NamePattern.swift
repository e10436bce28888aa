/// A device ID, or a pattern of several: `*` stands for any characters.
///
/// `?` and `[` stand for themselves, since they are legal in device IDs.
package struct NamePattern: Equatable, Sendable {
  private let parts: [String]

  /// Creates the pattern that `text` writes.
  package init(_ text: String) {
    parts = text.split(separator: "*", omittingEmptySubsequences: false).map(String.init)
  }

  /// The only name that fits, nil for a pattern.
  package var literal: String? { parts.count == 1 ? parts.first : nil }

  /// Whether `name` is as the pattern says.
  package func matches(_ name: String) -> Bool {
    guard parts.count > 1, let first = parts.first, let last = parts.last else {
      return name == parts.first
    }
    guard name.hasPrefix(first), name.count >= first.count + last.count, name.hasSuffix(last) else {
      return false
    }
    var rest = name.dropFirst(first.count).dropLast(last.count)
    for part in parts.dropFirst().dropLast() where !part.isEmpty {
      // The leftmost place is as good as any: what follows may begin anywhere behind it.
      guard let range = rest.firstRange(of: part) else { return false }
      rest = rest[range.upperBound...]
    }
    return true
  }
}
