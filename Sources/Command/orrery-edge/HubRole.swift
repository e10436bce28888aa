import EdgeService
import Endpoints
import HubContract
import Logging
import Platform
import ServiceLifecycle

/// The local hub as one of the edge's processes: the keys process says who it is, and keeps its keys.
struct HubRole: Service {
  let settings: EdgeSettings
  let environment: [String: String]
  let variables: LocalHubVariables
  let logger: Logger

  /// Serves, once it knows who it is, until it is told to stop; that may be before.
  func run() async throws {
    let client = WorkloadClient(
      .unix(path: settings.paths.workloadSocket(of: ModuleID.edgeHub)),
      moduleID: ModuleID.edgeHub
    )
    do {
      try await serve(client)
    } catch {
      await client.close()
      throw error
    }
    await client.close()
  }

  private func serve(_ client: WorkloadClient) async throws {
    let who: WorkloadIdentity
    do {
      who = try await cancelWhenGracefulShutdown { try await identity(client) }
    } catch is CancellationError {
      // Told to stop while it waited: nothing was begun, and nothing went wrong.
      return
    }
    let names = [settings.hostName] + settings.aliases
    let credentials = WorkloadCredentials(
      client,
      who,
      names: names,
      upstreamAuthorities: try Self.authorities(settings.upstreamAuthorities)
    )
    let hub = try HubCommand.server(options(who, names), credentials, logger)
    try await hub.run()
  }

  private func options(
    _ who: WorkloadIdentity,
    _ names: [String]
  ) throws(SettingsFault) -> LocalHubOptions {
    var hub = LocalHubOptions(
      identity: who.edge,
      names: names,
      directory: settings.paths.data(of: .hub)
    )
    hub.host = settings.hub.host
    hub.mqttPort = settings.hub.mqttPort
    hub.amqpPort = settings.hub.amqpPort
    hub.httpsPort = settings.hub.httpsPort
    hub.metricsHost = settings.metrics.host
    hub.metricsPort = settings.metrics.ports[.hub] ?? 0
    hub.metricsCollection = settings.metrics.collection
    hub.upstreamBudget = settings.upstream.budget
    hub.upstreamMQTTPort = settings.upstream.mqttPort
    hub.upstreamHTTPSPort = settings.upstream.httpsPort
    hub.upstreamAuthorityFiles = settings.upstreamAuthorities
    hub.trustBundleFile = settings.trustBundle
    hub.proxy = try settings.proxy(environment, for: who.edge.upstreamHostName)
    hub.use(variables)
    return hub
  }

  /// The PEM of all files, nil where there are none: then the system's authorities are trusted.
  private static func authorities(_ files: [String]) throws -> [UInt8]? {
    files.isEmpty ? nil : try files.flatMap { try PrivateFile.read($0) + [UInt8(ascii: "\n")] }
  }

  /// Asks the keys process who this is, until it knows.
  private func identity(_ client: WorkloadClient) async throws -> WorkloadIdentity {
    var wait = 1
    while true {
      var reason = "its key is not at the hub above yet"
      do throws(LocalClient.Failure) {
        let identity = try await client.identity()
        if identity.isSettled { return identity }
      } catch {
        reason = "\(error)"
      }
      logger.info("waiting for the keys process", metadata: ["reason": "\(reason)"])
      try await Pause.sleep(for: .seconds(wait))
      wait = min(wait * 2, 15)
    }
  }
}
