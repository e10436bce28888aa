public import HubContract
internal import JSONTree
internal import QueryLanguage

extension HubEngine where Storage: FleetStorage {
  /// Creates a configuration, or changes one (contract §7.8).
  ///
  /// Without a condition it only creates, with one it only changes. The content never changes: what
  /// an update sends in its place is ignored. All devices are then looked at by
  /// `sweepConfigurations`, which writes the values anew where the configuration applies.
  ///
  /// - Parameters:
  ///   - request: what the configuration shall be.
  ///   - condition: the header `If-Match`.
  ///   - now: the time.
  /// - Returns: the configuration as it now is, and whether another content was ignored.
  /// - Throws: 409401, 404301, 412001, 413101, 400401 for the target condition, 400402 for the
  ///   content, 400404 for a metric's query.
  public mutating func putConfiguration(
    _ request: ConfigurationRequest,
    ifMatch condition: ETagCondition,
    now: Timestamp
  ) throws(HubError) -> (configuration: Configuration, isContentIgnored: Bool) {
    let id = request.id
    guard let content = request.content else {
      throw HubError(.invalidConfigurationContent, "content is missing.")
    }
    let existing = try stored { storage throws(StorageFault) in try storage.configuration(id) }
    var configuration = Configuration(
      request,
      content: content,
      createdTime: now,
      lastUpdatedTime: now,
      etagCounter: 1
    )
    var isContentIgnored = false
    if case .absent = condition {
      guard existing == nil else {
        throw HubError(
          .configurationAlreadyExists,
          "Configuration \(id) exists; send If-Match to change it."
        )
      }
      let count = try stored { storage throws(StorageFault) in try storage.configurations().count }
      guard count < quotas.configurations else {
        throw HubError(
          .configurationCountLimitExceeded,
          "The hub has its maximum of \(quotas.configurations) configurations."
        )
      }
    } else {
      guard let existing else { throw Self.noConfiguration(id) }
      try condition.check(existing.etag, of: "configuration")
      configuration.createdTime = existing.createdTime
      configuration.etagCounter = existing.etagCounter &+ 1
      configuration.content = existing.content
      isContentIgnored = content != existing.content
    }
    try ConfigurationRules(quotas: quotas).check(configuration)
    let written = configuration
    try stored { storage throws(StorageFault) in try storage.put(written) }
    try configurationsChanged()
    return (configuration, isContentIgnored)
  }

  /// Deletes a configuration; the values that it has set stay (contract §7.8).
  ///
  /// - Throws: 404301, 412001 for a stale condition.
  public mutating func deleteConfiguration(
    _ id: String,
    ifMatch condition: ETagCondition
  ) throws(HubError) {
    let existing = try stored { storage throws(StorageFault) in try storage.configuration(id) }
    guard let existing else { throw Self.noConfiguration(id) }
    try condition.check(existing.etag, of: "configuration")
    try stored { storage throws(StorageFault) in try storage.deleteConfiguration(id) }
    try configurationsChanged()
  }

  /// Asks that all devices are looked at again, as every five minutes: conditions may depend on time
  /// and connections (contract §7.8).
  public mutating func requestConfigurationSweep() throws(HubError) {
    try stored { storage throws(StorageFault) in
      // One that is under way goes round again only if a configuration changes.
      let sweep = try storage.configurationSweep()
      let configurations = try storage.configurations()
      guard sweep == nil, !configurations.isEmpty else { return }
      try storage.setConfigurationSweep(ConfigurationSweep())
    }
  }

  private mutating func configurationsChanged() throws(HubError) {
    compiledConfigurations = nil
    try stored { storage throws(StorageFault) in
      try storage.setCounter(.configuration, to: storage.counter(.configuration) &+ 1)
      try storage.setConfigurationSweep(ConfigurationSweep())
    }
  }

  private static func noConfiguration(_ id: String) -> HubError {
    HubError(.configurationNotFound, "There is no configuration \(id).")
  }
}

/// What a configuration must fulfil beyond the form of its body.
struct ConfigurationRules {
  let quotas: Quotas

  /// Checks all of it.
  ///
  /// - Throws: 400401, 400402, 400404.
  func check(_ configuration: Configuration) throws(HubError) {
    let kind = configuration.content.kind
    let target = try CompiledConfiguration(configuration).target
    let isBlank = configuration.targetCondition.allSatisfy(\.isWhitespace)
    guard isBlank || (target.source == .modules) == (kind == .module) else {
      throw HubError(
        .invalidConfigurationTargetCondition,
        kind == .module
          ? "moduleContent is for modules: write FROM devices.modules WHERE, then the condition."
          : "\(kind.rawValue) is for devices: leave FROM devices.modules out."
      )
    }
    try check(configuration.content)
    guard configuration.metricQueries.count <= quotas.metricsPerConfiguration else {
      throw HubError(
        .invalidConfigurationCustomMetricsQuery,
        "A configuration has at most \(quotas.metricsPerConfiguration) metrics."
      )
    }
    for (name, query) in configuration.metricQueries {
      if let message = Self.fault(ofMetric: query.stringValue ?? "") {
        throw HubError(.invalidConfigurationCustomMetricsQuery, "Metric \(name): \(message)")
      }
    }
  }

  /// Checks that twins can hold the content at all.
  ///
  /// - Throws: 400402.
  func check(_ content: ConfigurationContent) throws(HubError) {
    let limits = TwinLimits(quotas: quotas, section: .desired)
    for part in content.parts {
      var properties = JSONObject()
      for setting in part.settings {
        properties.setValue(setting.value, at: setting.path[...])
      }
      do throws(HubError) {
        try limits.check(properties)
        try limits.checkSize(of: properties)
      } catch {
        let place = part.moduleID.map { "\($0): " } ?? ""
        throw HubError(.invalidConfigurationContent, place + error.message)
      }
    }
  }

  /// What is wrong with a metric's query, nil if nothing.
  static func fault(ofMetric text: String) -> String? {
    do throws(QueryFault) {
      guard try TwinQuery(text).source != .jobs else {
        return "metrics count devices or modules, not devices.jobs."
      }
      return nil
    } catch {
      return error.message
    }
  }
}
