import HubContract
import JSONTree

/// Reads the members of a body's object; null and absent are alike.
struct MemberReader {
  private let object: JSONObject

  /// - Throws: 400012 if `body` is no object.
  init(_ body: JSONValue) throws(HubError) {
    guard let object = body.objectValue else {
      throw HubError(.deserializationError, "The body must be an object.")
    }
    self.object = object
  }

  /// The string called `name`, nil if it is null or absent.
  ///
  /// - Throws: 400012 for another type.
  func string(_ name: String) throws(HubError) -> String? {
    guard let value = object[name], !value.isNull else { return nil }
    guard let text = value.stringValue else {
      throw HubError(.deserializationError, "\(name) must be a string.")
    }
    return text
  }

  /// - Throws: 400005 if it is null or absent, 400012 for another type.
  func requiredString(_ name: String) throws(HubError) -> String {
    guard let text = try string(name) else {
      throw HubError(.argumentNull, "\(name) is missing; send a string.")
    }
    return text
  }

  /// - Throws: 400005 if it is null or absent, 400012 for anything but an array of strings.
  func requiredStrings(_ name: String) throws(HubError) -> [String] {
    guard let value = object[name], !value.isNull else {
      throw HubError(.argumentNull, "\(name) is missing; send an array of strings.")
    }
    let texts = value.arrayValue?.compactMap(\.stringValue)
    guard let texts, texts.count == value.arrayValue?.count else {
      throw HubError(.deserializationError, "\(name) must be an array of strings.")
    }
    return texts
  }

  /// A refusal of a member's value.
  func invalid(_ name: String, _ reason: String) -> HubError {
    HubError(.argumentInvalid, "\(name) \(reason)")
  }
}
