public import JSONTree

/// The body of `POST /configurations/testQueries` (contract §7.8).
public struct ConfigurationQueryTest: Sendable {
  /// The target condition to check, nil if there is none.
  public var targetCondition: String?
  /// The metrics to check, by name.
  public var metricQueries: [(name: String, query: String)]

  /// Reads the body.
  ///
  /// - Throws: 400012 for a member of another type.
  public init(json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    targetCondition = try fields.string("targetCondition")
    metricQueries = []
    for (name, query) in try fields.object("customMetricQueries") ?? JSONObject() {
      guard let text = query.stringValue else {
        throw BodyFields.wrongType("customMetricQueries.\(name)", "a string", query)
      }
      metricQueries.append((name, text))
    }
  }
}
