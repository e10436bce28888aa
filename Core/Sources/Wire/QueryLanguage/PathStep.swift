public import JSONTree

/// One step of a path into a JSON value.
public enum PathStep: Hashable, Sendable {
  /// The member of an object called so, compared by Unicode scalars.
  case member(String)
  /// The element of an array, counted from 0.
  case index(Int)
}

extension JSONValue {
  /// The value at the end of `path`, nil if a step leads nowhere.
  public func value(at path: [PathStep]) -> JSONValue? {
    var current = self
    for step in path {
      switch (step, current) {
      case (.member(let key), .object(let object)):
        guard let next = object[key] else { return nil }
        current = next
      case (.index(let index), .array(let elements)):
        guard elements.indices.contains(index) else { return nil }
        current = elements[index]
      default: return nil
      }
    }
    return current
  }
}
