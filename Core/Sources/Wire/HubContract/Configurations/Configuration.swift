public import JSONTree

/// A configuration or edge deployment, as the hub keeps it (contract §7.8).
public struct Configuration: Equatable, Sendable {
  /// Its ID.
  public var id: String
  /// The version of the format that its author named, if any.
  public var schemaVersion: String?
  /// Words that its author attached; every value is a string.
  public var labels: JSONObject?
  /// What it sets; never changes after the creation.
  public var content: ConfigurationContent
  /// Which devices or modules it is for; nothing but blanks: none.
  public var targetCondition: String
  /// Where several set the same property, the highest wins; 0 or more.
  public var priority: Int64
  /// The queries of its custom metrics by name; every value is a string.
  public var metricQueries: JSONObject
  /// When it was created.
  public var createdTime: Timestamp
  /// When it was last written.
  public var lastUpdatedTime: Timestamp
  /// Counts writes; its text is `ETags.identity`.
  public var etagCounter: UInt64

  /// Creates the configuration that `request` asks for.
  public init(
    _ request: ConfigurationRequest,
    content: ConfigurationContent,
    createdTime: Timestamp,
    lastUpdatedTime: Timestamp,
    etagCounter: UInt64
  ) {
    id = request.id
    schemaVersion = request.schemaVersion
    labels = request.labels
    self.content = content
    targetCondition = request.targetCondition
    priority = request.priority
    metricQueries = request.metricQueries
    self.createdTime = createdTime
    self.lastUpdatedTime = lastUpdatedTime
    self.etagCounter = etagCounter
  }

  /// Its ETag, without quotes.
  public var etag: String { ETags.identity(etagCounter) }
}

/// How many rows a configuration's metrics have (contract §7.8).
public struct ConfigurationMetrics: Equatable, Sendable {
  /// The hub's own metrics: name, query and rows.
  public var system: [Metric]
  /// The rows of the custom metrics.
  public var custom: [Metric]

  /// One metric.
  public struct Metric: Equatable, Sendable {
    /// Its name.
    public var name: String
    /// Its query.
    public var query: String
    /// The rows of the query's answer.
    public var count: Int

    /// Creates a metric.
    public init(name: String, query: String, count: Int) {
      self.name = name
      self.query = query
      self.count = count
    }
  }

  /// Creates metrics.
  public init(system: [Metric] = [], custom: [Metric] = []) {
    self.system = system
    self.custom = custom
  }
}

/// A wish to create or change a configuration, as a REST body states it.
public struct ConfigurationRequest: Equatable, Sendable {
  /// Its ID, from the path.
  public var id: String
  /// The version of the format.
  public var schemaVersion: String?
  /// Words that its author attaches.
  public var labels: JSONObject?
  /// What it shall set, nil if nothing was sent.
  public var content: ConfigurationContent?
  /// Which devices or modules it is for.
  public var targetCondition: String
  /// Its priority.
  public var priority: Int64
  /// The queries of its custom metrics by name.
  public var metricQueries: JSONObject

  /// Creates a wish; nothing is checked.
  public init(
    id: String,
    schemaVersion: String? = nil,
    labels: JSONObject? = nil,
    content: ConfigurationContent?,
    targetCondition: String = "",
    priority: Int64 = 0,
    metricQueries: JSONObject = JSONObject()
  ) {
    self.id = id
    self.schemaVersion = schemaVersion
    self.labels = labels
    self.content = content
    self.targetCondition = targetCondition
    self.priority = priority
    self.metricQueries = metricQueries
  }
}
