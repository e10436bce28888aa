import Endpoints
import HubContract
package import JSONTree
package import Logging
package import Platform

/// The variables that operators set for the local hub (edge contract section 11).
package struct LocalHubVariables: Equatable, Sendable {
  /// How the hub above is reached.
  package enum UpstreamProtocol: String, CaseIterable, Sendable {
    case amqp, amqpWs, mqtt, mqttWs

    /// Whether MQTT over TLS is tried.
    package var usesTLS: Bool { self == .amqp || self == .mqtt }
    /// Whether a WebSocket is tried, after that if both are.
    package var usesWebSocket: Bool { self != .mqtt }
    /// Whether what it asks for is spoken.
    package var isSpoken: Bool { self == .mqtt || self == .mqttWs }
  }

  /// Clients at a time; 1,000 here, 100 with the vendor (DIFF 15).
  package var maxConnectedClients = 1_000
  /// Seconds between whole looks at who is below.
  package var scopeRefreshSeconds = 3_600
  /// Seconds between reads of the configuration.
  package var configurationRefreshSeconds = 3_600
  /// Seconds between patches of reported properties upstream.
  package var reportedSyncSeconds = 5
  /// Seconds between whole reads of one twin.
  package var twinSyncSeconds = 120
  /// Seconds that a module may take to acknowledge a message of its inputs.
  package var messageAckSeconds = 30
  /// Seconds that the hub above may take to answer.
  package var operationSeconds = 20
  /// Seconds without an answer after which the connection upstream is given up.
  package var hangingSeconds = 50
  /// Messages upstream that wait for their acknowledgement: half of what a hub remembers of an edge, so
  /// that it knows every repetition.
  package var upstreamWindow = 2_048
  /// Whether MQTT is served.
  package var servesMQTT = true
  /// Whether HTTPS is served, and WebSockets.
  package var servesHTTPS = true
  /// The port of HTTPS, nil for that of the settings.
  package var httpsPort: Int?
  /// The module that may pass clients' certificates on.
  package var proxyModuleID = "IoTEdgeAPIProxy"
  /// Whether AMQP is served.
  package var servesAMQP = true
  /// The port of AMQP over TLS, nil for that of the settings.
  package var amqpPort: Int?
  /// Whether `/metrics` is served.
  package var servesMetrics = true
  /// The port of `/metrics`, nil for that of the settings.
  package var metricsPort: Int?
  /// Nil for MQTT with the fallback to WebSocket.
  package var upstreamProtocol: UpstreamProtocol?
  /// Nil for the level of the settings.
  package var logLevel: Logger.Level?
  /// Desired properties that take the place of those of the twin, nil for the twin's.
  package var localConfiguration: JSONObject?
  /// Names that are known, were given, and change nothing here, for the log.
  package var withoutEffect: [String] = []

  package init() {}

  private static let numbers: [(name: String, path: any WritableKeyPath<Self, Int> & Sendable)] = [
    ("MaxConnectedClients", \.maxConnectedClients),
    ("DeviceScopeCacheRefreshRateSecs", \.scopeRefreshSeconds),
    ("ConfigRefreshFrequencySecs", \.configurationRefreshSeconds),
    ("ReportedPropertiesSyncFrequencySecs", \.reportedSyncSeconds),
    ("MinTwinSyncPeriodSecs", \.twinSyncSeconds),
    ("MessageAckTimeoutSecs", \.messageAckSeconds),
    ("CloudOperationTimeoutSecs", \.operationSeconds),
    ("CloudConnectionHangingTimeoutSecs", \.hangingSeconds),
  ]
  private static let switches: [(name: String, path: any WritableKeyPath<Self, Bool> & Sendable)] =
    [
      ("MqttSettings__Enabled", \.servesMQTT), ("AmqpSettings__Enabled", \.servesAMQP),
      ("HttpSettings__Enabled", \.servesHTTPS),
      ("Metrics__Listener__MetricsEnabled", \.servesMetrics),
    ]
  private static let ports: [(name: String, path: any WritableKeyPath<Self, Int?> & Sendable)] = [
    ("AmqpSettings__Port", \.amqpPort), ("HttpSettings__Port", \.httpsPort),
    ("Metrics__Listener__Port", \.metricsPort),
  ]
  /// Variables of the vendor's container for what is decided here, or needs no setting.
  private static let ignored: Set<String> = Set(
    [
      "AuthenticationMode", "BackupFolder", "CacheTokens",
      "CheckEntireQueueOnCleanup", "ClientCertAuthEnabled",
      "CloseCloudConnectionOnDeviceDisconnect", "CloseCloudConnectionOnIdleTimeout",
      "CloudConnectionIdleTimeoutSecs", "ConnectivityCheckFrequencySecs",
      "EnableNonPersistentStorageBackup", "EnableRoutingLogging", "EnableSdkDebugLogs",
      "EncryptTwinStore", "IotHubConnectionPoolSize",
      "MaxCheckCertExpiryInMs",
      "MaxUpstreamBatchSize", "MessageCleanupIntervalSecs", "Metrics__Listener__Host",
      "Metrics__Listener__MetricsHistogramMaxAge", "Metrics__Listener__Suffix",
      "ModuleRequestThrottleTimeout", "MqttSettings__UsePooledBuffers",
      "OptimizeForPerformance",
      "ServerCertificateRenewAfterInMs", "ShutdownWaitPeriod", "SslProtocols", "Storage_LogLevel",
      "StorageFolder", "UpstreamFanOutFactor", "UsePersistentStorage", "UseServerHeartbeat",
      "AmqpSettings__DelayedBatchingEnabled",
    ].map { $0.lowercased() }
  )

  /// Reads variables, names without regard to case; what is not known is left alone.
  ///
  /// - Throws: `SettingsFault` for a value that is none.
  package init(_ environment: [String: String]) throws(SettingsFault) {
    var isLocal = false
    var routes = JSONObject()
    var timeToLive: Int64 = -1
    for (name, text) in environment.sorted(by: { $0.key < $1.key }) {
      let key = name.lowercased()
      if let known = Self.numbers.first(where: { $0.name.lowercased() == key }) {
        self[keyPath: known.path] = Int(try Self.number(name, text, in: 1...1_000_000))
      } else if let known = Self.switches.first(where: { $0.name.lowercased() == key }) {
        guard let value = Bool(text.lowercased()) else {
          throw Self.fault(name, "true or false", text)
        }
        self[keyPath: known.path] = value
      } else if let known = Self.ports.first(where: { $0.name.lowercased() == key }) {
        self[keyPath: known.path] = Int(try Self.number(name, text, in: 0...65_535))
      } else if key == "upstreamprotocol" {
        let known = UpstreamProtocol.allCases.first {
          $0.rawValue.lowercased() == text.lowercased()
        }
        guard let known else { throw Self.fault(name, "Amqp, AmqpWs, Mqtt or MqttWs", text) }
        upstreamProtocol = known
      } else if key == "apiproxymoduleid" {
        guard ModuleID.isValid(text) else { throw Self.fault(name, "a module's ID", text) }
        proxyModuleID = text
      } else if key == "runtimeloglevel" {
        logLevel = try Self.level(name, text)
      } else if key == "configsource" {
        guard ["twin", "local"].contains(text.lowercased()) else {
          throw Self.fault(name, "twin or local", text)
        }
        isLocal = text.lowercased() == "local"
      } else if key.hasPrefix("routes__"), key.utf8.count > 8 {
        routes[String(name.dropFirst(8))] = .string(text)
      } else if ["timetolivesecs", "storeandforward__timetolivesecs"].contains(key) {
        timeToLive = try Self.number(name, text, in: -1...Int64(UInt32.max))
      } else if Self.ignored.contains(key) || key.hasPrefix("rocksdb_") {
        withoutEffect.append(name)
      }
    }
    guard isLocal else { return }
    localConfiguration = [
      "schemaVersion": "1.1",
      "routes": .object(routes),
      "storeAndForwardConfiguration": ["timeToLiveSecs": .int(timeToLive)],
    ]
  }

  /// Refuses variables that a local hub would not start with.
  ///
  /// - Throws: `SettingsFault`, also for a proxy that is none.
  package static func check(_ variables: [String: String]) throws(SettingsFault) {
    _ = try LocalHubVariables(variables)
    for (name, text) in variables where name.utf8.contains(0) || text.utf8.contains(0) {
      throw fault(name, "text without NUL characters", "…")
    }
    do throws(HTTPProxyFault) {
      _ = try HTTPProxy.from(variables, for: "hub.invalid")
    } catch {
      throw SettingsFault("https_proxy: \(error)")
    }
  }

  private static func number(
    _ name: String,
    _ text: String,
    in range: ClosedRange<Int64>
  ) throws(SettingsFault) -> Int64 {
    guard let value = Int64(text), range.contains(value) else {
      throw fault(name, "a number from \(range.lowerBound) to \(range.upperBound)", text)
    }
    return value
  }

  /// The vendor's words, and those that logs are written with here.
  private static func level(_ name: String, _ text: String) throws(SettingsFault) -> Logger.Level {
    switch text.lowercased() {
    case "fatal": return .critical
    case "verbose": return .trace
    case let word:
      guard let level = Logger.Level(rawValue: word) else {
        throw fault(name, "fatal, error, warning, info, debug or verbose", text)
      }
      return level
    }
  }

  private static func fault(_ name: String, _ rule: String, _ text: String) -> SettingsFault {
    SettingsFault(
      "\(name) must be \(rule), not \"\(text)\"",
      remedy: "Set it in [hub.env] of the settings, or in env of edgeHub in the deployment."
    )
  }
}
