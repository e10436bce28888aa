import JSONTree

/// Reading a JSON value the way that tables show it.
extension JSONValue {
  /// The value at a path of object keys, nil if there is none.
  subscript(path path: [String]) -> JSONValue? {
    var value: JSONValue? = self
    for key in path { value = value?[key] }
    return value
  }

  /// The value in one line: strings bare, everything else as JSON, null and nothing as `-`.
  var shown: String {
    switch self {
    case .null: "-"
    case .string(let text): text
    case .bool(let flag): flag ? "yes" : "no"
    case .number(let number): number.text
    case .array, .object: JSON.text(self)
    }
  }

  /// The members of an object, with nested ones as dotted names, without `$metadata`.
  func leaves(under prefix: String = "") -> [(name: String, value: JSONValue)] {
    guard let object = objectValue else { return [] }
    return object.flatMap { member -> [(name: String, value: JSONValue)] in
      guard member.key != "$metadata" else { return [] }
      let name = prefix.isEmpty ? member.key : "\(prefix).\(member.key)"
      if let inner = member.value.objectValue, !inner.isEmpty {
        return member.value.leaves(under: name)
      }
      return [(name, member.value)]
    }
  }
}

/// Times of the hub for people.
enum ShownTime {
  /// To the second, in UTC; the hub's "never" as the word.
  static func text(_ iso: String?) -> String {
    guard let iso, !iso.hasPrefix("0001-01-01") else { return "never" }
    guard let point = iso.firstIndex(of: ".") else { return iso }
    return iso[..<point] + "Z"
  }
}
