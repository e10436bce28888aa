import HubContract
import JSONTree

/// Desired properties on their way into a configuration.
enum DesiredFields {
  /// Reads `desired` by `read`, whose refusals become status 400.
  static func read<Configuration>(
    _ desired: JSONObject,
    _ read: (BodyFields) throws(HubError) -> Configuration
  ) throws(DesiredStatus) -> Configuration {
    do throws(HubError) {
      return try read(try BodyFields(.object(desired)))
    } catch {
      throw DesiredStatus(.refused, error.message)
    }
  }

  /// Refuses desired properties without members of their own.
  static func checkNotEmpty(_ desired: JSONObject) throws(DesiredStatus) {
    // What the hub adds, `$version` and `$metadata`, is no configuration.
    if desired.keys.allSatisfy({ $0.utf8.first == UInt8(ascii: "$") }) {
      throw DesiredStatus(.empty, "The desired properties are empty; deploy a manifest.")
    }
  }
}

extension BodyFields {
  /// A member that is one of some words, whatever its case.
  func word<Word: RawRepresentable & CaseIterable>(
    _ key: String,
    _ type: Word.Type
  ) throws(HubError) -> Word? where Word.RawValue == String {
    guard let text = try string(key) else { return nil }
    let wanted = text.lowercased()
    if let word = type.allCases.first(where: { $0.rawValue.lowercased() == wanted }) { return word }
    let words = type.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " or ")
    throw invalid(key, "must be \(words), but is \"\(text)\".")
  }

  /// A string that must be there and hold more than blanks; outer ones are dropped.
  func requiredText(_ key: String) throws(HubError) -> String {
    let text = try requiredString(key).trimmed
    guard !text.isEmpty else { throw invalid(key, "is blank.") }
    return text
  }

  /// An object that must be there.
  func requiredFields(_ key: String) throws(HubError) -> BodyFields {
    guard let fields = try fields(key) else {
      throw HubError(.argumentNull, "\(name(key)) is missing; send an object.")
    }
    return fields
  }
}

extension String {
  /// This without blanks around.
  var trimmed: String {
    var rest = unicodeScalars[...]
    while let first = rest.first, first.properties.isWhitespace { rest.removeFirst() }
    while let last = rest.last, last.properties.isWhitespace { rest.removeLast() }
    return String(rest)
  }
}
