public import JSONTree

extension ConfigurationRequest {
  /// The priorities that are possible.
  private static let priorities = 0...Int64(Int32.max)

  /// Reads the body of `PUT /configurations/<id>`.
  ///
  /// Times, ETag and metrics' results are ignored, so that a configuration that was read can be sent
  /// back.
  ///
  /// - Throws: 400004 for an illegal ID, one that is not that of the path, or a priority below 0;
  ///   400012 for a member of another type, 400402 for content that breaks a rule.
  public init(id: String, body: JSONValue) throws(HubError) {
    guard ConfigurationID.isValid(id) else {
      throw HubError(
        .argumentInvalid,
        "A configuration ID has 1 to 128 lower-case letters, digits or characters of - + % _ * ! '"
      )
    }
    let fields = try BodyFields(body)
    if let named = try fields.string("id"), named != id {
      throw fields.invalid("id", "is not the ID in the path.")
    }
    let priority = try fields.integer("priority") ?? 0
    guard Self.priorities.contains(priority) else {
      throw fields.invalid("priority", "must be 0 to \(Int32.max).")
    }
    let labels = try fields.object("labels")
    for (name, label) in labels ?? JSONObject() where label.stringValue == nil {
      throw BodyFields.wrongType("labels.\(name)", "a string", label)
    }
    var content: ConfigurationContent?
    if let value = fields.value("content") { content = try ConfigurationContent(json: value) }
    self.init(
      id: id,
      schemaVersion: try fields.string("schemaVersion"),
      labels: labels,
      content: content,
      targetCondition: try fields.string("targetCondition") ?? "",
      priority: priority,
      metricQueries: try Self.queries(fields.fields("metrics"))
    )
  }

  private static func queries(_ metrics: BodyFields?) throws(HubError) -> JSONObject {
    guard let metrics, let queries = try metrics.object("queries") else { return JSONObject() }
    for (name, query) in queries where query.stringValue == nil {
      throw BodyFields.wrongType(metrics.name("queries.\(name)"), "a string", query)
    }
    return queries
  }
}

extension Configuration {
  /// The object of answers.
  ///
  /// - Parameter metrics: the results to show.
  /// - Returns: all members, the ETag included.
  public func json(_ metrics: ConfigurationMetrics) -> JSONObject {
    var object = written
    object["systemMetrics"] = Self.json(metrics.system)
    object["metrics"] = Self.json(metrics.custom)
    object["etag"] = .string(etag)
    return object
  }

  /// The text to keep it as: compact JSON.
  public var document: [UInt8] {
    var object = written
    object["metrics"] = ["queries": .object(metricQueries)]
    object["etagCounter"] = .string(String(etagCounter))
    return JSON.bytes(.object(object))
  }

  /// Reads what `document` wrote; nil if it is something else.
  public init?(document: [UInt8]) {
    guard let json = try? JSON.parse(document, limits: .stored), let id = json["id"]?.stringValue,
      let request = try? ConfigurationRequest(id: id, body: json), let content = request.content,
      let created = json["createdTimeUtc"]?.stringValue.flatMap({ Timestamp(iso8601: $0) }),
      let updated = json["lastUpdatedTimeUtc"]?.stringValue.flatMap({ Timestamp(iso8601: $0) }),
      let counter = json["etagCounter"]?.stringValue.flatMap({ UInt64($0) })
    else { return nil }
    self.init(
      request,
      content: content,
      createdTime: created,
      lastUpdatedTime: updated,
      etagCounter: counter
    )
  }

  /// What answers and the stored text have in common.
  private var written: JSONObject {
    [
      "id": .string(id),
      "schemaVersion": schemaVersion.map { .string($0) } ?? .null,
      "labels": labels.map { .object($0) } ?? .null,
      "content": content.json,
      "contentType": "assignment",
      "targetCondition": .string(targetCondition),
      "createdTimeUtc": .string(createdTime.iso8601),
      "lastUpdatedTimeUtc": .string(lastUpdatedTime.iso8601),
      "priority": .int(priority),
    ]
  }

  private static func json(_ metrics: [ConfigurationMetrics.Metric]) -> JSONValue {
    var queries = JSONObject()
    var results = JSONObject()
    for metric in metrics {
      queries[metric.name] = .string(metric.query)
      results[metric.name] = .int(Int64(clamping: metric.count))
    }
    return ["results": .object(results), "queries": .object(queries)]
  }
}
