package import HubContract
package import HubEngine
package import Platform

/// Everything that can be set on the hub, read and checked.
package struct HubSettings: Sendable {
  /// Name of the hub, as in connection strings' first host and in events.
  package var names: [String]
  package var isFaultInjectionAllowed: Bool
  package var dataDirectory: String?
  package var isEphemeral: Bool
  package var host: String
  package var mqttPort: Int
  package var amqpPort: Int
  package var httpsPort: Int
  package var plainMQTTPort: Int
  package var adminHost: String
  package var adminPort: Int
  package var loops: Int
  package var certificatePath: String?
  package var privateKeyPath: String?
  package var skewSeconds: Int
  package var partitions: Int
  package var consumerGroups: [String]
  package var segmentBytes: Int
  package var retentionHours: Int
  package var retentionBytes: Int
  package var dropsOldestWhenFull: Bool
  package var isLogEnabled: Bool
  package var syncsLog: Bool
  package var connectSeconds: Int
  package var unauthenticatedConnections: Int
  package var unauthenticatedIdleSeconds: Int
  package var quotas: Quotas
  /// PEM file of authorities for webhooks.
  package var webhookAuthorityPath: String?
  /// Whether webhooks on this machine may do without TLS.
  package var allowsPlainWebhooks: Bool
  /// Whether MQTT servers on this machine that are endpoints may do without TLS.
  package var allowsPlainMQTT: Bool
  package var isProvisioningEnabled: Bool
  package var certificateHours: Int
  /// File of the hubs beside this one that devices are assigned to.
  package var linkedHubsPath: String?
  /// File of the outside authorities that issue certificates to devices.
  package var certificateAuthoritiesPath: String?
  /// PEM file of authorities for webhooks and linked hubs.
  package var outboundAuthoritiesPath: String?
  package var isFileUploadEnabled: Bool
  /// Bytes that uploaded files may take, 0 for any number.
  package var fileBytes: Int
  package var fileRules: FileRules
  package var timeToLiveSeconds: Int
  package var maximumDeliveryCount: Int
  package var lockSeconds: Int
  package var throttles: [String: Int]
  package var logLevel: String
  package var logFormat: String
  /// Every setting as it was read, with the layer that it comes from.
  package let all: [EffectiveSetting]

  /// Every key, in the order of the documentation.
  package static let keys: [SettingKey] = [
    SettingKey(
      "hub.names",
      .list,
      "localhost,127.0.0.1",
      "Host names and addresses that the hub answers to; the first goes into connection strings."
    ),
    SettingKey(
      "hub.data",
      .text,
      "",
      "Directory of the registry, the message log, keys and certificates."
    ),
    SettingKey(
      "hub.fault_injection",
      .flag,
      "false",
      "Whether the owner may have the hub commit faults, for tests; with --ephemeral it is true."
    ),
    SettingKey(
      "listen.host",
      .text,
      "0.0.0.0",
      "Address that the listeners of devices and services bind."
    ),
    SettingKey(
      "listen.mqtt_port",
      .number(0...65_535),
      "8883",
      "Port of MQTT over TLS; 0 lets the system pick."
    ),
    SettingKey(
      "listen.amqp_port",
      .number(0...65_535),
      "5671",
      "Port of AMQP 1.0 over TLS; 0 lets the system pick."
    ),
    SettingKey(
      "listen.https_port",
      .number(0...65_535),
      "443",
      "Port of REST and of MQTT and AMQP over WebSocket; 0 lets the system pick."
    ),
    SettingKey(
      "listen.plain_mqtt_port",
      .number(0...65_535),
      "0",
      "Port of MQTT without TLS, bound on loopback alone, for measurements; 0 turns it off."
    ),
    SettingKey(
      "listen.admin_host",
      .text,
      "127.0.0.1",
      "Address of the listener for metrics and health; keep it on loopback or a private network."
    ),
    SettingKey(
      "listen.admin_port",
      .number(0...65_535),
      "9600",
      "Port of the listener for metrics and health; 0 lets the system pick."
    ),
    SettingKey(
      "listen.loops",
      .number(0...256),
      "0",
      "Event loops that share the connections; 0 makes one for each processor."
    ),
    SettingKey(
      "tls.certificate",
      .text,
      "",
      "PEM file of the server's chain, leaf first; empty uses the hub's own authority."
    ),
    SettingKey("tls.private_key", .text, "", "PEM file of the key that fits tls.certificate."),
    SettingKey(
      "sas.skew_seconds",
      .number(0...86_400),
      "300",
      "How long after its expiry a token is still taken, for clocks that differ."
    ),
    SettingKey(
      "log.partitions",
      .number(1...32),
      "4",
      "Partitions of the event stream; fixed when the data directory is made."
    ),
    SettingKey(
      "log.consumer_groups",
      .list,
      "",
      "Consumer groups of the event stream beside $Default."
    ),
    SettingKey(
      "log.segment_bytes",
      .number(1 << 20...1 << 30),
      "67108864",
      "Size of one file of the log."
    ),
    SettingKey(
      "log.retention_hours",
      .number(1...8_760),
      "168",
      "How long events are kept at least."
    ),
    SettingKey(
      "log.retention_bytes",
      .number(0...Int.max),
      "0",
      "Total size at which the oldest events go; 0 sets no limit."
    ),
    SettingKey(
      "log.when_full",
      .choice(["refuse", "drop-oldest"]),
      "refuse",
      "What a full disk does: stop acknowledging, or give up the oldest segment."
    ),
    SettingKey(
      "log.enabled",
      .flag,
      "true",
      "Whether telemetry is kept at all; false acknowledges and forgets, for measurements."
    ),
    SettingKey(
      "log.sync",
      .flag,
      "true",
      "Whether an acknowledgement waits for the disk; false loses the last moments in a power cut."
    ),
    SettingKey(
      "limit.connect_seconds",
      .number(1...600),
      "30",
      "Time from TCP accept until a whole CONNECT or request must be there."
    ),
    SettingKey(
      "limit.unauthenticated_connections",
      .number(1...1_000_000),
      "20000",
      "Connections at most that have not yet said who they are, of each protocol."
    ),
    SettingKey(
      "limit.unauthenticated_idle_seconds",
      .number(1...600),
      "5",
      "How long an HTTPS connection stays between requests while none has shown a credential."
    ),
    SettingKey(
      "routing.webhook_ca",
      .text,
      "",
      "PEM file of authorities that webhooks' certificates may come from, beside the system's."
    ),
    SettingKey(
      "routing.webhook_plain_http",
      .flag,
      "false",
      "Whether webhooks on this machine itself (127.0.0.1, ::1, localhost) may be http."
    ),
    SettingKey(
      "routing.mqtt_plain",
      .flag,
      "false",
      "Whether MQTT servers on this machine itself that are endpoints of routes may do without TLS."
    ),
    SettingKey(
      "provisioning.enabled",
      .flag,
      "true",
      "Whether devices can be provisioned here: enrollments, and registration over MQTT and HTTPS."
    ),
    SettingKey(
      "provisioning.certificate_hours",
      .number(1...8_760),
      "24",
      "How long certificates are valid that are issued to devices which send a signing request."
    ),
    SettingKey(
      "provisioning.linked_hubs",
      .text,
      "",
      "JSON file with the connection strings of further hubs that devices are assigned to."
    ),
    SettingKey(
      "provisioning.certificate_authorities",
      .text,
      "",
      "JSON file with the certificate authorities, reached over EST, that issue to devices."
    ),
    SettingKey(
      "provisioning.ca",
      .text,
      "",
      "PEM file of authorities that webhooks of custom allocations and linked hubs may have "
        + "certificates from, beside the system's."
    ),
    SettingKey(
      "files.enabled",
      .flag,
      "true",
      "Whether devices may upload files to this hub."
    ),
    SettingKey(
      "files.quota_bytes",
      .number(0...Int.max),
      "10737418240",
      "What uploaded files may take of the disk, each counted in whole pages; 0 sets no limit."
    ),
    SettingKey(
      "files.upload_seconds",
      .number(60...86_400),
      "3600",
      "How long a device has to upload a file and to say so; its URL is worth nothing afterwards."
    ),
    SettingKey(
      "files.notifications",
      .flag,
      "true",
      "Whether services are told of uploaded files."
    ),
    SettingKey(
      "files.notification_ttl_seconds",
      .number(60...172_800),
      "3600",
      "Life of a file notification."
    ),
    SettingKey(
      "files.notification_max_delivery_count",
      .number(1...100),
      "10",
      "Deliveries after which a file notification is given up."
    ),
    SettingKey(
      "files.notification_lock_seconds",
      .number(5...300),
      "60",
      "How long a receiver holds a file notification."
    ),
    SettingKey(
      "quota.devices",
      .number(1...100_000_000),
      "1000000",
      "Device identities at most."
    ),
    SettingKey(
      "quota.modules_per_device",
      .number(1...1_000),
      "50",
      "Module identities of a device at most."
    ),
    SettingKey(
      "quota.c2d_queue",
      .number(1...10_000),
      "50",
      "Cloud-to-device messages that wait for a device."
    ),
    SettingKey(
      "quota.c2d_default_ttl_seconds",
      .number(1...172_800),
      "3600",
      "Life of a cloud-to-device message that names no expiry."
    ),
    SettingKey(
      "quota.c2d_max_delivery_count",
      .number(1...100),
      "10",
      "Deliveries after which a message is dead-lettered."
    ),
    SettingKey(
      "quota.c2d_lock_seconds",
      .number(5...300),
      "60",
      "How long an HTTPS receiver holds a message."
    ),
    SettingKey(
      "throttle.connects_per_second",
      .number(0...1_000_000),
      "0",
      "New device connections a second; 0 sets no limit, as for all throttles."
    ),
    SettingKey(
      "throttle.d2c_per_second",
      .number(0...10_000_000),
      "0",
      "Device-to-cloud messages a second."
    ),
    SettingKey(
      "throttle.registry_per_minute",
      .number(0...10_000_000),
      "0",
      "Identity operations a minute."
    ),
    SettingKey(
      "throttle.twin_reads_per_second",
      .number(0...1_000_000),
      "0",
      "Twin reads a second."
    ),
    SettingKey(
      "throttle.twin_updates_per_second",
      .number(0...1_000_000),
      "0",
      "Twin updates a second."
    ),
    SettingKey(
      "throttle.queries_per_minute",
      .number(0...1_000_000),
      "0",
      "Twin queries a minute."
    ),
    SettingKey(
      "throttle.methods_per_second",
      .number(0...1_000_000),
      "0",
      "Direct methods a second."
    ),
    SettingKey(
      "throttle.c2d_per_second",
      .number(0...1_000_000),
      "0",
      "Cloud-to-device sends a second."
    ),
    SettingKey(
      "logging.level",
      .choice(["trace", "debug", "info", "notice", "warning", "error"]),
      "info",
      "Least level that is written."
    ),
    SettingKey(
      "logging.format",
      .choice(["auto", "json", "text"]),
      "auto",
      "json for machines, text for people; auto takes text on a terminal."
    ),
  ]

  /// Reads the layers.
  ///
  /// With `needsData` false there need not be a data directory: the settings are only looked at.
  ///
  /// - Throws: `SettingsFault` that names the setting, where it stands and what it may be.
  package init(
    file: String?,
    environment: [String: String],
    overrides: [(String, String)],
    isEphemeral: Bool,
    needsData: Bool = true
  ) throws {
    let settings = try Settings(
      keys: Self.keys,
      file: file,
      environment: environment,
      reserved: Self.reservedVariables,
      overrides: overrides,
      // Many may run at once, in tests: each gets a port of its own and small files.
      standards: isEphemeral
        ? [
          "hub.fault_injection": "true", "listen.admin_port": "0",
          "log.segment_bytes": "16777216",
        ] : [:]
    )
    all = settings.all
    names = settings.list("hub.names")
    dataDirectory = settings.text("hub.data")
    isFaultInjectionAllowed = settings.flag("hub.fault_injection")
    self.isEphemeral = isEphemeral
    host = settings.text("listen.host") ?? "0.0.0.0"
    mqttPort = settings.number("listen.mqtt_port")
    amqpPort = settings.number("listen.amqp_port")
    httpsPort = settings.number("listen.https_port")
    plainMQTTPort = settings.number("listen.plain_mqtt_port")
    adminHost = settings.text("listen.admin_host") ?? "127.0.0.1"
    adminPort = settings.number("listen.admin_port")
    loops = settings.number("listen.loops")
    certificatePath = settings.text("tls.certificate")
    privateKeyPath = settings.text("tls.private_key")
    skewSeconds = settings.number("sas.skew_seconds")
    partitions = settings.number("log.partitions")
    consumerGroups = settings.list("log.consumer_groups")
    segmentBytes = settings.number("log.segment_bytes")
    retentionHours = settings.number("log.retention_hours")
    retentionBytes = settings.number("log.retention_bytes")
    dropsOldestWhenFull = settings.text("log.when_full") == "drop-oldest"
    isLogEnabled = settings.flag("log.enabled")
    syncsLog = settings.flag("log.sync")
    connectSeconds = settings.number("limit.connect_seconds")
    unauthenticatedConnections = settings.number("limit.unauthenticated_connections")
    unauthenticatedIdleSeconds = settings.number("limit.unauthenticated_idle_seconds")
    var quotas = Quotas()
    quotas.devices = settings.number("quota.devices")
    quotas.modulesPerDevice = settings.number("quota.modules_per_device")
    quotas.cloudToDeviceQueueDepth = settings.number("quota.c2d_queue")
    self.quotas = quotas
    webhookAuthorityPath = settings.text("routing.webhook_ca")
    allowsPlainWebhooks = settings.flag("routing.webhook_plain_http")
    allowsPlainMQTT = settings.flag("routing.mqtt_plain")
    isProvisioningEnabled = settings.flag("provisioning.enabled")
    certificateHours = settings.number("provisioning.certificate_hours")
    linkedHubsPath = settings.text("provisioning.linked_hubs")
    certificateAuthoritiesPath = settings.text("provisioning.certificate_authorities")
    outboundAuthoritiesPath = settings.text("provisioning.ca")
    isFileUploadEnabled = settings.flag("files.enabled")
    fileBytes = settings.number("files.quota_bytes")
    var fileRules = FileRules()
    fileRules.uploadSeconds = Int64(settings.number("files.upload_seconds"))
    fileRules.isNotifying = settings.flag("files.notifications")
    fileRules.notificationTimeToLiveSeconds = Int64(
      settings.number("files.notification_ttl_seconds")
    )
    fileRules.notificationMaximumDeliveryCount =
      settings.number("files.notification_max_delivery_count")
    fileRules.notificationLockSeconds = Int64(settings.number("files.notification_lock_seconds"))
    self.fileRules = fileRules
    timeToLiveSeconds = settings.number("quota.c2d_default_ttl_seconds")
    maximumDeliveryCount = settings.number("quota.c2d_max_delivery_count")
    lockSeconds = settings.number("quota.c2d_lock_seconds")
    throttles = Dictionary(
      uniqueKeysWithValues: Self.keys.map(\.name).filter { $0.hasPrefix("throttle.") }.map {
        (String($0.dropFirst("throttle.".count)), settings.number($0))
      }
    )
    logLevel = settings.text("logging.level") ?? "info"
    logFormat = settings.text("logging.format") ?? "auto"
    try check(needsData: needsData)
  }

  /// Variables of the command line tool, which are not settings of the hub.
  package static let reservedVariables: Set<String> = [
    "ORRERY_CONNECTION_STRING", "ORRERY_CA", "ORRERY_BIN", "ORRERY_EDGE_BIN", "ORRERY_CONFIG",
    "ORRERY_INTEROP_NETWORK",
  ]

  private func check(needsData: Bool) throws {
    guard !names.isEmpty else {
      throw SettingsFault(
        "hub.names is empty",
        remedy: "Give at least one name or address of the hub: --names hub.example."
      )
    }
    if let name = names.first(where: { !HostName.isValid($0) }) {
      throw SettingsFault(
        "hub.names: \"\(name)\" is neither a host name nor an address",
        remedy: "Give host names and addresses alone, without ports: hub.example, 192.0.2.7."
      )
    }
    guard isEphemeral || dataDirectory != nil || !needsData else {
      throw SettingsFault(
        "hub.data is not set",
        remedy: "Name a directory with --data DIR, or use --ephemeral to keep nothing."
      )
    }
    guard (certificatePath == nil) == (privateKeyPath == nil) else {
      throw SettingsFault(
        "only one of tls.certificate and tls.private_key is set",
        remedy: "Set both, or neither to use the hub's own authority."
      )
    }
  }
}
