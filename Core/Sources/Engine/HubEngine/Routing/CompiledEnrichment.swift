import HubContract
import JSONTree

/// An enrichment whose value is understood (contract §9.2).
struct CompiledEnrichment: Sendable {
  private enum Source {
    case literal
    case hubName
    case twin([String])
  }

  let key: String
  let destinations: EventDestinations
  private let text: String
  private let source: Source

  init(_ enrichment: Enrichment, _ destinations: EventDestinations) {
    key = enrichment.key
    text = enrichment.value
    self.destinations = destinations
    if text == "$iothubname" {
      source = .hubName
    } else if let path = Self.path(text) {
      source = .twin(path)
    } else {
      source = .literal
    }
  }

  /// What is asked of the sender's twin, nil if nothing is.
  var twinPath: [String]? { if case .twin(let path) = source { path } else { nil } }

  /// The value for a sender with `twin`; the text as it was written where the path leads nowhere.
  func value(hubName: String, twin: JSONValue?) -> String {
    switch source {
    case .literal: return text
    case .hubName: return hubName
    case .twin(let path):
      var value = twin
      for step in path { value = value?[step] }
      switch value {
      case nil, .null: return text
      case .string(let found): return found
      case .some(let found): return JSON.text(found)
      }
    }
  }

  private static func path(_ text: String) -> [String]? {
    let prefixes = ["$twin.tags.", "$twin.properties.desired.", "$twin.properties.reported."]
    guard prefixes.contains(where: text.hasPrefix) else { return nil }
    let steps = text.split(separator: ".", omittingEmptySubsequences: false).dropFirst()
    return steps.contains { $0.isEmpty } ? nil : steps.map(String.init)
  }
}
