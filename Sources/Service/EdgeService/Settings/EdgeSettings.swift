package import Endpoints
import HubContract
package import Platform

/// The settings of the edge: its file, read and checked as a whole, and where its data is.
///
/// Every role gets this value, which has only what is for it (`SettingsCopy`). Names and groups are those that users of the vendor's runtime have in
/// their files (contract §4.7); `[hub]`, `[upstream]`, `[metrics]`, `[logging]` and
/// `hostname_aliases` are ours.
package struct EdgeSettings: Equatable, Sendable {
  /// What a request for a new identity from the provisioning service comes from.
  package enum Reprovisioning: String, Sendable, CaseIterable {
    /// Requests and errors that say the device is unknown.
    case dynamic = "Dynamic"
    /// Every start too.
    case alwaysOnStartup = "AlwaysOnStartup"
    /// Errors alone.
    case onErrorOnly = "OnErrorOnly"
  }

  /// Data and sockets.
  package let paths: EdgePaths
  /// The settings file; in a process that the supervisor started the one that its own was made of.
  package let file: String
  /// For which process the file was made, nil for one that a person wrote.
  package let copy: SettingsCopy?
  /// The name that clients of the local hub use.
  package let hostName: String
  /// Further names of it.
  package let aliases: [String]
  /// The parent edge, nil without one.
  package let parentHostName: String?
  /// A PEM file with what modules trust besides the edge's own root, nil for none.
  package let trustBundle: String?
  package let provisioning: ProvisioningSettings
  /// The device's own certificate where an EST server issues it, nil where none does.
  package let identityIssuance: ESTCertificateSettings?
  package let reprovisioning: Reprovisioning
  package let edgeAuthority: EdgeAuthoritySettings
  /// Whether known module identities are answered without asking the hub.
  package let prefersIdentityCache: Bool
  /// Seconds that the hub above may take for an answer.
  package let cloudTimeoutSeconds: Int
  /// How often a request that got no answer is made again.
  package let cloudRetries: Int
  /// Requests at once on a workload socket.
  package let workloadRequests: Int
  /// Requests at once on a management socket.
  package let managementRequests: Int
  /// A workload socket for all modules, `unix://` or `http://`, nil for none.
  ///
  /// Whoever reaches it can be any module, so it is for development alone.
  package let sharedWorkloadURI: String?
  /// Where the management API is served besides its socket, nil for nowhere else.
  package let managementURI: String?
  package let agent: AgentSettings
  package let hub: LocalHubSettings
  package let upstream: UpstreamSettings
  package let containerEngine: ContainerEngineSettings
  package let imageCollection: ImageCollectionSettings
  package let images: ImageSettings
  package let metrics: MetricsSettings
  package let logLevel: String
  package let logFormat: String
  /// The folder that the supervisor writes the processes' logs to, nil for none: they go where its own
  /// go.
  package let logFolder: String?
  /// What stands in the file, is right, and has no effect here: told once.
  package let notices: [String]

  /// Reads a settings file.
  ///
  /// - Throws: `SettingsFault`, what is wrong, where, and how to mend it.
  package init(file: String, paths: EdgePaths) throws(SettingsFault) {
    let bytes: [UInt8]
    do throws(FileFault) {
      bytes = try PrivateFile.read(file, limit: TOMLDocument.byteLimit)
    } catch {
      throw SettingsFault(
        "\(error)",
        remedy: error.isMissing ? "Write that file, or name another with --config." : error.remedy
      )
    }
    try self.init(bytes, file: file, paths: paths)
  }

  /// Reads the bytes of a settings file.
  package init(_ bytes: [UInt8], file: String, paths: EdgePaths) throws(SettingsFault) {
    guard paths.data.hasPrefix("/"), paths.run.hasPrefix("/") else {
      throw SettingsFault("the directories of data and sockets must be paths from the root on")
    }
    guard paths.run.utf8.count <= EdgePaths.runLimit else {
      throw SettingsFault(
        "the directory of the sockets, \(paths.run), has more than \(EdgePaths.runLimit) characters",
        remedy: "Name a shorter one with --run-dir: a socket's path can have 107."
      )
    }
    self.paths = paths
    var object = try TOMLDocument.parse(bytes, file: file)
    copy = try SettingsCopy(takenFrom: &object, file: file)
    // What is wrong is wrong in the file that a person can mend.
    self.file = copy?.original ?? file
    let top = SettingsTable(object, file: self.file, isCopy: copy != nil)
    try top.refuse(otherThan: Self.known)
    hostName = try Self.name(top, "hostname") ?? SystemName.host()
    aliases = try top.texts("hostname_aliases")
    for alias in aliases where !HostName.isValid(alias) {
      throw top.fault("hostname_aliases", "has \"\(alias)\", which is no host name and no address")
    }
    parentHostName = try Self.name(top, "parent_hostname")
    trustBundle = try top.path("trust_bundle_cert")
    guard let table = try top.table("provisioning") else {
      throw SettingsFault(
        "\(self.file): [provisioning] is missing",
        remedy: "Add it, with source = \"manual\" and connection_string = \"HostName=…\"."
      )
    }
    let issuance = try top.table("cert_issuance")
    provisioning = try ProvisioningSettings(
      table,
      chip: top.table("tpm"),
      issued: paths.issuedIdentity
    )
    identityIssuance = try ESTCertificateSettings.identity(table, issuance: issuance)
    if case .service = provisioning, parentHostName != nil {
      throw top.fault(
        "parent_hostname",
        "does not go with provisioning.source = \"dps\"",
        remedy: "Below another edge use source = \"manual\"."
      )
    }
    let startsAnew = try table.flag("always_reprovision_on_startup") ?? false
    let mode = try top.word("auto_reprovisioning_mode", of: Reprovisioning.allCases.map(\.rawValue))
    reprovisioning =
      mode.flatMap { Reprovisioning(rawValue: $0) } ?? (startsAnew ? .alwaysOnStartup : .dynamic)
    edgeAuthority = try EdgeAuthoritySettings(
      top.table("edge_ca"),
      issuance: issuance,
      hostName: hostName
    )
    prefersIdentityCache = try top.flag("prefer_module_identity_cache") ?? false
    cloudTimeoutSeconds = try top.number("cloud_timeout_sec", in: 1...600) ?? 10
    cloudRetries = try top.number("cloud_retries", in: 0...100) ?? 1
    let requests = try top.table("iotedge_max_requests")
    try requests?.refuse(otherThan: ["management", "workload"])
    workloadRequests = try requests?.number("workload", in: 1...10_000) ?? 10
    managementRequests = try requests?.number("management", in: 1...10_000) ?? 50
    (sharedWorkloadURI, managementURI) = try Self.listeners(top)
    agent = try AgentSettings(top.table("agent"))
    hub = try LocalHubSettings(top.table("hub"))
    upstream = try UpstreamSettings(top.table("upstream"))
    containerEngine = try ContainerEngineSettings(
      top.table("moby_runtime"),
      allowsElevated: top.flag("allow_elevated_docker_permissions") ?? true
    )
    imageCollection = try ImageCollectionSettings(top.table("image_garbage_collection"))
    images = try ImageSettings(
      signatures: top.table("image_signatures"),
      registries: top.table("image_registries")
    )
    metrics = try MetricsSettings(top.table("metrics"))
    let logging = try top.table("logging")
    try logging?.refuse(otherThan: ["level", "format", "folder"])
    logLevel =
      try logging?.word("level", of: SupervisorOrder.levels) ?? "info"
    logFormat = try logging?.word("format", of: ["auto", "json", "text"]) ?? "auto"
    logFolder = try logging?.path("folder")
    notices = try Self.notices(top, provisioning)
  }

  private static let known = [
    "hostname", "hostname_aliases", "parent_hostname", "trust_bundle_cert",
    "allow_elevated_docker_permissions", "auto_reprovisioning_mode",
    "prefer_module_identity_cache", "cloud_timeout_sec", "cloud_retries", "iotedge_max_requests",
    "additional_info", "provisioning", "cert_issuance", "aziot_keys", "tpm", "edge_ca", "agent",
    "connect", "listen", "watchdog", "moby_runtime", "image_garbage_collection",
    "image_signatures", "image_registries", "hub", "upstream",
    "metrics", "logging",
  ]

  private static func name(
    _ table: SettingsTable,
    _ key: String
  ) throws(SettingsFault) -> String? {
    guard let name = try table.text(key) else { return nil }
    guard HostName.isValid(name) else {
      throw table.fault(key, "must be a host name or an address, not \"\(name)\"")
    }
    return name
  }

  private static func listeners(
    _ top: SettingsTable
  ) throws(SettingsFault) -> (workload: String?, management: String?) {
    let connect = try top.table("connect")
    try connect?.refuse(otherThan: ["workload_uri", "management_uri"])
    _ = try connect?.text("workload_uri")
    _ = try connect?.text("management_uri")
    guard let listen = try top.table("listen") else { return (nil, nil) }
    try listen.refuse(otherThan: ["workload_uri", "management_uri", "min_tls_version"])
    var uris: [String: String] = [:]
    for name in ["workload_uri", "management_uri"] {
      guard let uri = try listen.text(name), !uri.hasPrefix("fd://") else { continue }
      guard SocketAddressURI(uri) != nil else {
        throw listen.fault(name, "must be like unix:///path or http://127.0.0.1:15580")
      }
      uris[name] = uri
    }
    return (uris["workload_uri"], uris["management_uri"])
  }

  private static func notices(
    _ top: SettingsTable,
    _ provisioning: ProvisioningSettings
  ) throws(SettingsFault) -> [String] {
    if let keys = try top.table("aziot_keys"), !keys.names.isEmpty {
      throw top.fault(
        "aziot_keys",
        "asks for keys in a PKCS#11 token, which this version cannot use",
        remedy: "Leave it out: keys are then kept in files that nobody else can read."
      )
    }
    let watchdog = try top.table("watchdog")
    try watchdog?.refuse(otherThan: ["max_retries"])
    var notices: [String] = []
    func ignored(_ name: String, _ why: String) { notices.append("\(name) has no effect: \(why)") }
    if watchdog?.contains("max_retries") == true {
      ignored("watchdog.max_retries", "processes are restarted for as long as it takes")
    }
    if top.contains("tpm"), !provisioning.usesChip {
      ignored("tpm", "a TPM is used with provisioning.attestation.method = \"tpm\" alone")
    }
    let issuance = try top.table("cert_issuance")?.table("est")
    if issuance?.contains("identity_auto_renew") == true {
      ignored(
        "cert_issuance.est.identity_auto_renew",
        "each certificate is renewed by showing itself"
      )
    }
    if top.contains("additional_info") { ignored("additional_info", "nothing reports it") }
    if top.contains("connect") { ignored("connect", "modules are given sockets of their own") }
    if try top.table("agent")?.contains("config") == true {
      ignored("agent.config", "the agent is a process of this program, no image")
    }
    return notices
  }
}

extension EdgeSettings {
  /// PEM files with what the hub above is trusted by, besides the system's authorities.
  package var upstreamAuthorities: [String] {
    [upstream.authorities, trustBundle].compactMap { $0 }
  }

  /// The proxy to `authority`, a host with or without a port, as the environment says; nil for none.
  ///
  /// - Throws: `SettingsFault` for a variable that cannot be used.
  package func proxy(
    _ environment: [String: String],
    for authority: String
  ) throws(SettingsFault) -> HTTPProxy? {
    do throws(HTTPProxyFault) {
      return try HTTPProxy.from(environment, for: SASResource(decoded: authority).host)
    } catch {
      throw SettingsFault("environment variable https_proxy: \(error)")
    }
  }
}
