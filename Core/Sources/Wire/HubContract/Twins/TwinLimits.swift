package import JSONTree

/// The rules of contract §7.5 for what a twin may hold; each refusal names path and rule.
package struct TwinLimits {
  private static let integers: ClosedRange<Int64> = -4_503_599_627_370_496...4_503_599_627_370_495
  /// Longest path that an error shows, in characters: keys come from outside.
  private static let shownPathLength = 200

  private let quotas: Quotas
  package let section: TwinSectionName

  package init(quotas: Quotas, section: TwinSectionName) {
    self.quotas = quotas
    self.section = section
  }

  /// Checks what a client sends, before it is merged.
  ///
  /// - Throws: 400004.
  package func check(_ patch: JSONObject) throws(HubError) {
    try check(patch, path: section.rawValue, depth: 0)
  }

  /// Checks a section's size after the merge.
  ///
  /// - Throws: 400004.
  package func checkSize(of merged: JSONObject) throws(HubError) {
    let size = TwinSize.bytes(of: merged)
    let limit = section.limit(quotas)
    guard size <= limit else {
      throw HubError(
        .argumentInvalid,
        "\(section.rawValue) would be \(size) bytes, more than the limit of \(limit)."
      )
    }
  }

  private func check(_ object: JSONObject, path: String, depth: Int) throws(HubError) {
    guard depth <= quotas.twinDepth else {
      throw refusal(path, "objects are nested deeper than \(quotas.twinDepth) levels")
    }
    for (key, value) in object {
      guard !key.isEmpty else { throw refusal(path, "a key is empty") }
      guard key.utf8.count <= quotas.twinKeyBytes else {
        throw refusal(path, "a key is longer than \(quotas.twinKeyBytes) bytes")
      }
      guard key.unicodeScalars.allSatisfy(Self.isLegalInKey) else {
        throw refusal(
          path + "." + key,
          "a key must not hold control characters, '.', '$', '#' or a blank"
        )
      }
      try check(value, parent: path, key: key, depth: depth)
    }
  }

  private func check(
    _ value: JSONValue,
    parent: String,
    key: String,
    depth: Int
  ) throws(HubError) {
    switch value {
    case .null, .bool: return
    case .number(let number):
      if let rule = Self.brokenRule(number) { throw refusal("\(parent).\(key)", rule) }
    case .string(let text):
      guard text.utf8.count <= quotas.twinStringBytes else {
        throw refusal(
          "\(parent).\(key)",
          "a string is longer than \(quotas.twinStringBytes) bytes"
        )
      }
    case .object(let inner): try check(inner, path: "\(parent).\(key)", depth: depth + 1)
    case .array(let elements):
      for (index, element) in elements.enumerated() {
        if element.isNull {
          throw refusal("\(parent).\(key)[\(index)]", "null is not allowed in arrays")
        }
        try check(element, parent: parent, key: "\(key)[\(index)]", depth: depth)
      }
    }
  }

  private static func brokenRule(_ number: JSONNumber) -> String? {
    let isInteger = !number.text.utf8.contains { byte in
      byte == UInt8(ascii: ".") || byte | 0x20 == UInt8(ascii: "e")
    }
    if isInteger {
      if let value = number.integer, integers.contains(value) { return nil }
      return "an integer must be within \(integers.lowerBound) and \(integers.upperBound)"
    }
    return number.double.isFinite ? nil : "a number is beyond the range of a double"
  }

  private static func isLegalInKey(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x21, 0x7F...0x9F, 0x23, 0x24, 0x2E: false
    default: true
    }
  }

  private func refusal(_ path: String, _ rule: String) -> HubError {
    HubError(.argumentInvalid, "\(path.prefix(Self.shownPathLength)): \(rule).")
  }
}

extension JSONObject {
  /// The object less `$metadata` and `$version`, which a section that was read carries.
  package func withoutSectionFields() -> JSONObject {
    guard contains("$metadata") || contains("$version") else { return self }
    var result = self
    result["$metadata"] = nil
    result["$version"] = nil
    return result
  }
}
