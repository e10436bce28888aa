internal import HubContract
internal import JSONTree
internal import QueryLanguage

/// What configurations want of one twin: those that target it, the ones that win last.
struct DesiredPlan {
  /// One configuration and what it sets in this twin.
  struct Layer {
    var configuration: Configuration
    var settings: [ConfigurationContent.Setting]
    /// Whether it has an effect, and is not merely for this twin.
    var isApplied: Bool
  }

  var layers: [Layer] = []

  /// The state once all of it is there.
  var entries: [ConfigurationState.Entry] {
    layers.map { layer in
      ConfigurationState.Entry(
        configurationID: layer.configuration.id,
        createdTime: layer.configuration.createdTime,
        revision: layer.configuration.etagCounter,
        status: layer.isApplied ? .applied : .targeted,
        paths: layer.isApplied ? layer.settings.map(\.path) : []
      )
    }
  }

  /// The desired properties once what `old` has set is removed from `present` and the layers lie upon
  /// the rest.
  func desired(
    from present: JSONObject,
    replacing old: [ConfigurationState.Entry]
  ) -> JSONObject {
    var wanted = present
    let kept = Set(layers.filter(\.isApplied).flatMap { $0.settings.map(\.path) })
    for path in old.flatMap(\.paths) where !kept.contains(path) {
      wanted.removeValue(at: path[...])
    }
    for layer in layers where layer.isApplied {
      for setting in layer.settings { wanted.setValue(setting.value, at: setting.path[...]) }
    }
    return wanted
  }

  /// Adds configurations of twins, in rising order: all apply whose paths are not all covered by
  /// others that win (contract §7.8).
  mutating func add(_ configurations: [CompiledConfiguration]) {
    var covered: [[String]] = []
    var added: [Layer] = []
    for compiled in configurations.reversed() {
      let settings = compiled.content.parts.flatMap(\.settings)
      let isVisible = settings.contains { setting in
        !covered.contains { setting.path.starts(with: $0) }
      }
      added.append(
        Layer(
          configuration: compiled.configuration,
          settings: settings,
          isApplied: isVisible || settings.isEmpty
        )
      )
      covered += settings.map(\.path)
    }
    layers += added.reversed()
  }
}

/// What deployments want of one edge device and its modules.
struct DeploymentPlan {
  /// All that target the device, in rising order, with whether they apply.
  private let deployments: [(compiled: CompiledConfiguration, isApplied: Bool)]
  /// What each module's twin gets.
  let modules: [String: [DesiredPlan.Layer]]

  /// The highest base applies, and the layers of a higher priority (contract §7.8).
  init(_ targeting: [CompiledConfiguration]) {
    let base = targeting.lastIndex { $0.content.isBase }
    deployments = targeting.indices.map { index in
      let compiled = targeting[index]
      guard let base else { return (compiled, false) }
      let priority = targeting[base].configuration.priority
      let isLayer = !compiled.content.isBase && compiled.configuration.priority > priority
      return (compiled, index == base || isLayer)
    }
    var modules: [String: [DesiredPlan.Layer]] = [:]
    for (compiled, isApplied) in deployments {
      for part in compiled.content.parts {
        guard let moduleID = part.moduleID else { continue }
        modules[moduleID, default: []].append(
          .init(
            configuration: compiled.configuration,
            settings: part.settings,
            isApplied: isApplied
          )
        )
      }
    }
    self.modules = modules
  }

  /// What the edge device's own twin shows.
  var device: [DesiredPlan.Layer] {
    deployments.map {
      .init(configuration: $0.compiled.configuration, settings: [], isApplied: $0.isApplied)
    }
  }

  /// The modules that a deployment which applies names.
  var namedModules: [String] {
    var named: Set<String> = []
    for (compiled, isApplied) in deployments where isApplied {
      named.formUnion(compiled.content.parts.compactMap(\.moduleID))
    }
    return named.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
