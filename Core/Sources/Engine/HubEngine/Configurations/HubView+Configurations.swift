public import HubContract
internal import JSONTree
internal import QueryLanguage

/// What is wrong with a target condition and with metric queries (contract §7.8, `testQueries`).
public struct ConfigurationQueryFaults: Equatable, Sendable {
  /// What is wrong with the target condition, nil if nothing.
  public var targetCondition: String?
  /// What is wrong with those metric queries that are wrong, by name.
  public var metricQueries: [(name: String, message: String)]

  /// Looks for what is wrong.
  public init(targetCondition: String?, metricQueries: [(name: String, query: String)]) {
    self.targetCondition = nil
    if let targetCondition {
      do throws(QueryFault) {
        _ = try TwinQuery(targetCondition: targetCondition)
      } catch {
        self.targetCondition = error.message
      }
    }
    self.metricQueries = []
    for (name, query) in metricQueries {
      if let message = ConfigurationRules.fault(ofMetric: query) {
        self.metricQueries.append((name, message))
      }
    }
  }

  /// Whether both say the same.
  public static func == (
    first: ConfigurationQueryFaults,
    second: ConfigurationQueryFaults
  ) -> Bool {
    first.targetCondition == second.targetCondition
      && first.metricQueries.elementsEqual(second.metricQueries, by: ==)
  }
}

extension HubView where Storage: FleetStorageReader {
  /// The configuration called `id`.
  ///
  /// - Throws: 404301.
  public func configuration(_ id: String) throws(HubError) -> Configuration {
    let found = try stored { storage throws(StorageFault) in try storage.configuration(id) }
    guard let found else {
      throw HubError(.configurationNotFound, "There is no configuration \(id).")
    }
    return found
  }

  /// The first configurations by ID.
  ///
  /// - Parameter top: how many, 1 to the most that there are; anything else means all.
  /// - Returns: the configurations in ID order.
  /// - Throws: only what the storage's faults become.
  public func configurations(top: Int?) throws(HubError) -> [Configuration] {
    let all = try stored { storage throws(StorageFault) in try storage.configurations() }
    guard let top, top > 0 else { return all }
    return Array(all.prefix(top))
  }

  /// Counts a configuration's metrics, which looks at all devices; the service keeps the answer for
  /// a while (contract §7.8).
  ///
  /// - Parameters:
  ///   - configuration: the configuration.
  ///   - facts: what the driver knows of each identity's connection.
  /// - Returns: the queries and their rows.
  /// - Throws: only what the storage's faults become.
  public func metrics(
    of configuration: Configuration,
    facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> ConfigurationMetrics {
    var metrics = ConfigurationMetrics()
    for (name, query) in configuration.systemQueries {
      metrics.system.append(
        .init(name: name, query: query, count: try rowCount(query, facts: facts))
      )
    }
    for (name, query) in configuration.metricQueries {
      let query = query.stringValue ?? ""
      metrics.custom.append(
        .init(name: name, query: query, count: try rowCount(query, facts: facts))
      )
    }
    return metrics
  }
}

extension Configuration {
  /// The queries of the hub's own metrics, as operators see and reuse them.
  fileprivate var systemQueries: [(name: String, query: String)] {
    let applied = "configurations.[[\(id)]].status = 'Applied'"
    switch content.kind {
    case .device:
      return [
        ("targetedCount", targetQuery),
        ("appliedCount", "select deviceId from devices where \(applied)"),
      ]
    case .module:
      return [
        ("targetedCount", targetQuery),
        ("appliedCount", "select deviceId, moduleId from devices.modules where \(applied)"),
      ]
    case .edge:
      let agents =
        "select deviceId from devices.modules where moduleId = '$edgeAgent' and \(applied)"
      let reported =
        "\(agents) and properties.desired.$version = properties.reported.lastDesiredVersion"
        + " and properties.reported.lastDesiredStatus.code"
      return [
        ("targetedCount", targetQuery),
        ("appliedCount", agents),
        ("reportedSuccessfulCount", "\(reported) = 200"),
        ("reportedFailedCount", "\(reported) != 200"),
      ]
    }
  }

  private var targetQuery: String {
    if targetCondition.allSatisfy(\.isWhitespace) {
      return "select deviceId from devices where false"
    }
    let isAll = targetCondition.filter { !$0.isWhitespace } == "*"
    switch content.kind {
    case .module: return "select deviceId, moduleId \(targetCondition)"
    case .device:
      return isAll
        ? "select deviceId from devices" : "select deviceId from devices where \(targetCondition)"
    case .edge:
      let edge = "select deviceId from devices where capabilities.iotEdge = true"
      return isAll ? edge : "\(edge) and (\(targetCondition))"
    }
  }
}
