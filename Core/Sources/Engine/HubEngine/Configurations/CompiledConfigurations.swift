internal import HubContract
internal import QueryLanguage

/// A configuration whose target condition is compiled.
struct CompiledConfiguration {
  var configuration: Configuration
  var target: TwinQuery

  init(_ configuration: Configuration) throws(HubError) {
    self.configuration = configuration
    do throws(QueryFault) {
      target = try TwinQuery(targetCondition: configuration.targetCondition)
    } catch {
      throw HubError(.invalidConfigurationTargetCondition, error.message)
    }
  }

  var content: ConfigurationContent { configuration.content }
}

/// All configurations in the order in which they are laid upon each other: those that win last.
struct CompiledConfigurations {
  /// The counter of the storage at which they were read.
  let revision: UInt64
  let all: [CompiledConfiguration]

  init(_ configurations: [Configuration], revision: UInt64) throws(HubError) {
    self.revision = revision
    var compiled: [CompiledConfiguration] = []
    for configuration in configurations {
      compiled.append(try CompiledConfiguration(configuration))
    }
    all = compiled.sorted { $0.configuration.isOverruled(by: $1.configuration) }
  }

  /// Whether a configuration is still the one that an entry is about.
  func has(_ entry: ConfigurationState.Entry) -> Bool {
    all.contains {
      $0.configuration.id == entry.configurationID
        && $0.configuration.createdTime == entry.createdTime
    }
  }
}

extension CompiledConfigurations {
  /// Whether the twins of modules have to be looked at for themselves.
  var areForModules: Bool { all.contains { $0.target.source == .modules } }

  /// What the configurations want of a device's own twin, and of its modules if it is an edge device.
  func plan(
    for row: DeviceRow,
    facts: ConnectionFacts
  ) -> (device: DesiredPlan, deployment: DeploymentPlan) {
    let view = TwinQueryRow(row, facts: facts)
    let targeting = all.filter { $0.target.source == .devices && $0.target.matches(view) }
    let deployment = DeploymentPlan(
      row.identity.isEdge ? targeting.filter { $0.content.kind == .edge } : []
    )
    var plan = DesiredPlan()
    plan.add(targeting.filter { $0.content.kind == .device })
    plan.layers += deployment.device
    return (plan, deployment)
  }

  /// What they want of a module's twin; without a row those that are for modules are left out.
  func plan(
    forModule moduleID: String,
    _ row: ModuleRow?,
    deployment: DeploymentPlan,
    facts: ConnectionFacts
  ) -> DesiredPlan {
    var plan = DesiredPlan(layers: deployment.modules[moduleID] ?? [])
    if let row {
      let view = TwinQueryRow(row, facts: facts)
      plan.add(all.filter { $0.target.source == .modules && $0.target.matches(view) })
    }
    return plan
  }
}

extension Configuration {
  /// Whether `other` wins over this: by priority, then the newer one, then by ID (contract §7.8).
  fileprivate func isOverruled(by other: Configuration) -> Bool {
    if priority != other.priority { return priority < other.priority }
    if createdTime != other.createdTime { return createdTime < other.createdTime }
    return id.utf8.lexicographicallyPrecedes(other.id.utf8)
  }
}
