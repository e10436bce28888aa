import Containers
import HubContract
import JSONTree
import Platform

extension EdgeCheck {
  static let connectivity: [EdgeCheck] =
    [estServer, provisioningService] + Upstream.allCases.map(host)
    + Upstream.allCases.map { container("container-connect-upstream", $0, isDefault: false) }
    + Upstream.allCases.map { container("container-default-connect-upstream", $0, isDefault: true) }
    + [parentFromContainer]

  private static let estServer = EdgeCheck(
    "est-server-https",
    .connectivity,
    "the EST server can be reached"
  ) { box in
    let settings = try box.settings
    guard let server = settings.issuingServers.first else {
      return .skipped("no certificates come from an EST server")
    }
    let authority = server.url.dropFirst("https://".utf8.count).prefix { $0 != "/" }
    let host = SASResource(decoded: String(authority)).host
    let port = authority.split(separator: ":").last.flatMap { Int($0) }
    return await box.connects(host, port ?? 443, settings, server.authorities)
  }

  private static let provisioningService = EdgeCheck(
    "host-connect-dps-endpoint",
    .connectivity,
    "the provisioning service can be reached"
  ) { box in
    let settings = try box.settings
    guard case .service(let service) = settings.provisioning else {
      return .skipped("the settings name the hub, no provisioning service")
    }
    let parts = service.endpoint.split(separator: ":")
    let port = parts.count > 1 ? Int(parts[1]) ?? 443 : 443
    return await box.connects(String(parts.first ?? ""), port, settings)
  }

  private static let parentFromContainer = EdgeCheck(
    "container-resolve-parent-hostname",
    .connectivity,
    "modules can find the parent edge"
  ) { box in
    guard let parent = try box.settings.parentHostName else {
      return .skipped("there is no parent_hostname: the hub is above this device")
    }
    return try await box.tries(["parent-hostname", "--parent-hostname", parent], isDefault: false)
  }

  private static func host(_ way: Upstream) -> EdgeCheck {
    EdgeCheck(
      "host-connect-iothub-\(way.rawValue)",
      .connectivity,
      "the hub above can be reached (\(way.rawValue))"
    ) { box in
      let settings = try box.settings
      return await box.connects(try await box.knownHubHost(), way.port(settings), settings)
    }
  }

  /// A protocol that the hub above is reached by.
  enum Upstream: String, CaseIterable {
    case amqp, https, mqtt

    func port(_ settings: EdgeSettings) -> Int {
      switch self {
      case .amqp: settings.upstream.amqpPort
      case .https: settings.upstream.httpsPort
      case .mqtt: settings.upstream.mqttPort
      }
    }
  }

  private static func container(_ id: String, _ way: Upstream, isDefault: Bool) -> EdgeCheck {
    let network = isDefault ? "the default network" : "the modules' network"
    return EdgeCheck(
      "\(id)-\(way.rawValue)",
      .connectivity,
      "containers in \(network) can reach the hub above (\(way.rawValue))"
    ) { box in
      let settings = try box.settings
      let words = [
        "upstream", "--hostname", try await box.knownHubHost(), "--port", "\(way.port(settings))",
      ]
      return try await box.tries(words, isDefault: isDefault)
    }
  }
}

extension CheckSubject {
  /// The hub above, or the parent edge, nil while nobody knows it.
  func hubHost() async -> String? {
    if let named = options.hubHostName { return named }
    guard let settings = try? settings else { return nil }
    if let parent = settings.parentHostName { return parent }
    if case .manual(let hub, _, _) = settings.provisioning {
      return SASResource(decoded: hub).host
    }
    // Told by the provisioning service.
    let answer = try? await ports.ask(paths.workloadSocket(of: ModuleID.edgeHub), ["identity"])
    return (answer?["hubHostName"]?.stringValue).map { SASResource(decoded: $0).host }
  }

  func knownHubHost() async throws -> String {
    guard let host = await hubHost() else {
      throw CheckOutcome.skipped("the device is not provisioned yet; name a hub: --iothub-hostname")
    }
    return host
  }

  func connects(
    _ host: String,
    _ port: Int,
    _ settings: EdgeSettings,
    _ authorities: [String] = []
  ) async -> CheckOutcome {
    let place = CheckPlace(
      host: host,
      port: port,
      proxyURI: options.proxyURI,
      authorities: authorities
    )
    do throws(CheckFault) {
      try await ports.connect(place, settings)
      return .ok("\(host):\(port)")
    } catch {
      let isUntrusted = error.description.contains("not trusted")
      return .error(
        "\(host):\(port): \(error)",
        remedy: isUntrusted
          ? "Name its authority in the settings (ca_cert of [upstream] for the hub's), and look at this "
            + "machine's clock."
          : "Let TCP to \(host):\(port) through the firewall, name the proxy in https_proxy, and look "
            + "whether the hub runs."
      )
    }
  }

  /// Runs the image that looks at the network from within a container.
  func tries(_ words: [String], isDefault: Bool) async throws -> CheckOutcome {
    let settings = try settings
    _ = try await engine(.version)
    guard let image = options.diagnosticsImage else {
      return .skipped(
        "no image was named to look from within a container: --diagnostics-image-name"
      )
    }
    let network = isDefault ? nil : settings.containerEngine.network
    do throws(RuntimeFault) {
      let trial = DockerRuntime.Trial(image: image, words: words, networkID: network)
      let (code, output) = try await ports.trial(trial, settings)
      guard code != 0 else { return .ok() }
      return .error(
        "\(image) ended with \(code): \(output)",
        remedy:
          "See whether the host reaches it (host-connect-…), then the engine's DNS and firewall."
      )
    } catch {
      return .error(error.description, remedy: "Look at the engine, and whether it has \(image).")
    }
  }
}
