import HubContract
import JSONTree
import QueryLanguage

/// A message that a person or tool describes in JSON, to try routes on.
struct TriedMessage: MessageFields {
  /// Names in lower case; nil is a property without value.
  private let properties: [String: String?]
  private let system: [String: String]
  private let bodyValue: JSONValue?

  /// Reads `{"properties","systemProperties","body" or "bodyText","contentType","contentEncoding"}`.
  ///
  /// What an edge knows of a sender is taken from `source`, unless the description says it.
  init(_ fields: BodyFields, from source: MessageSource? = nil) throws(HubError) {
    properties = try Self.texts(fields, "properties")
    var system = try Self.texts(fields, "systemProperties").compactMapValues { $0 }
    for key in ["contentType", "contentEncoding"] {
      if let text = try fields.string(key) { system[key.lowercased()] = text }
    }
    // The original knows the second name only; here both mean the same.
    system["correlationid"] = system["correlationid"] ?? system["cid"]
    system["cid"] = system["correlationid"]
    for (name, value) in source?.facts ?? [:] where system[name] == nil { system[name] = value }
    self.system = system
    if let text = try fields.string("bodyText") {
      bodyValue = try? JSON.parse(text)
    } else {
      // A body that is null is one, so it is asked for as it stands.
      bodyValue = fields.contains("body") ? fields.value("body") ?? .null : nil
    }
  }

  private static func texts(
    _ fields: BodyFields,
    _ key: String
  ) throws(HubError) -> [String: String?] {
    var texts: [String: String?] = [:]
    for (name, value) in try fields.object(key) ?? [:] {
      let text: String? =
        switch value {
        case .null: nil
        case .string(let text): text
        // What a client library would make of them.
        default: JSON.text(value)
        }
      texts[name.lowercased()] = .some(text)
    }
    return texts
  }

  func applicationProperty(_ name: String) -> String? { properties[name] ?? nil }
  func hasValuelessProperty(_ name: String) -> Bool { properties[name] == .some(nil) }
  func systemProperty(_ name: String) -> String? { system[name] }
  func body() -> JSONValue? { bodyValue }
  func twin() -> JSONValue? { nil }
}
