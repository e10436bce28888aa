package import Platform

extension EdgeSettings {
  /// What the local hub listens on, or another process serves its page on.
  private struct Listener {
    /// The setting or variable that says the port.
    let setting: String
    let host: String
    /// 0 for any.
    let port: Int

    func clashes(with other: Listener) -> Bool {
      guard port != 0, port == other.port else { return false }
      let hosts = [host, other.host]
      // All addresses of IPv4 are none of IPv6; the other way round they are.
      return host == other.host || hosts.contains("::")
        || hosts.contains("0.0.0.0") && !hosts.contains { $0.utf8.contains(UInt8(ascii: ":")) }
    }
  }

  /// Each two listeners that these settings, with `[hub.env]`, give one port, one of them the local
  /// hub's: which settings those are, and what is wrong.
  private func clashes() throws(SettingsFault) -> [String] {
    let variables = try LocalHubVariables(hub.environment)
    func listener(_ variable: (String, Int?)?, _ setting: String, _ port: Int) -> Listener {
      let isMetrics = setting.hasPrefix("metrics.")
      return Listener(
        setting: variable.flatMap { $0.1 == nil ? nil : $0.0 } ?? setting,
        host: isMetrics ? metrics.host : hub.host,
        port: variable?.1 ?? port
      )
    }
    func page(_ role: EdgeRole) -> Int { metrics.ports[role] ?? 0 }
    var own: [Listener] = []
    if variables.servesMQTT { own.append(listener(nil, "hub.mqtt_port", hub.mqttPort)) }
    if variables.servesAMQP {
      own.append(
        listener(("AmqpSettings__Port", variables.amqpPort), "hub.amqp_port", hub.amqpPort)
      )
    }
    if variables.servesHTTPS {
      own.append(
        listener(("HttpSettings__Port", variables.httpsPort), "hub.https_port", hub.httpsPort)
      )
    }
    if variables.servesMetrics {
      own.append(
        listener(("Metrics__Listener__Port", variables.metricsPort), "metrics.hub_port", page(.hub))
      )
    }
    let others = [
      listener(nil, "metrics.agent_port", page(.agent)),
      listener(nil, "metrics.keys_port", page(.keys)),
    ]
    var clashes: [String] = []
    for (index, one) in own.enumerated() {
      for other in own[(index + 1)...] + others where one.clashes(with: other) {
        clashes.append(
          "\(one.setting) and \(other.setting) are both \(one.port): each listener needs a port of "
            + "its own"
        )
      }
    }
    return clashes
  }

  /// Refuses listeners of the local hub on one port, but for those that `before` has there too.
  ///
  /// - Throws: `SettingsFault`, which settings or variables are one port.
  package func refuseClashes(beyond before: EdgeSettings) throws(SettingsFault) {
    let known = try before.clashes()
    guard let clash = try clashes().first(where: { !known.contains($0) }) else { return }
    throw SettingsFault(clash)
  }
}
