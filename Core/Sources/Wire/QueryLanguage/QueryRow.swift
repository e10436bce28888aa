public import JSONTree

/// A row that a twin query looks at: the JSON form of a twin, a module twin or a device job.
public protocol QueryRow {
  /// The value at `path`, nil if there is none.
  ///
  /// Identity fields arrive in the spelling of the twin object (hub contract section 7.5), however
  /// the query wrote them.
  func value(at path: [PathStep]) -> JSONValue?
}

extension JSONValue: QueryRow {}

extension JSONObject: QueryRow {
  /// The value at `path`, nil if there is none.
  public func value(at path: [PathStep]) -> JSONValue? { JSONValue.object(self).value(at: path) }
}
