/// A metric of an edge with the name and the labels that dashboards for edges know (edge contract
/// section 10).
public struct EdgeMetric: Equatable, Sendable {
  /// What a value is.
  public enum Kind: String, Sendable {
    /// Something that only grows.
    case counter
    /// Something that goes up and down.
    case gauge
    /// Quantiles, a sum and a count.
    case summary
  }

  /// Its name.
  public let name: String
  /// What it is.
  public let kind: Kind
  /// The names of its labels, beside those that all have.
  public let labels: [String]
  /// What it tells.
  public let help: String
  /// What a recorded number times this gives is shown: seconds are recorded in microseconds.
  public let scale: Double

  private init(
    _ name: String,
    _ kind: Kind,
    _ labels: [String],
    _ help: String,
    scale: Double = 1
  ) {
    self.name = name
    self.kind = kind
    self.labels = labels
    self.help = help
    self.scale = scale
  }

  private static func counter(_ name: String, _ labels: [String], _ help: String) -> Self {
    EdgeMetric(name, .counter, labels, help)
  }

  private static func gauge(_ name: String, _ labels: [String], _ help: String) -> Self {
    EdgeMetric(name, .gauge, labels, help)
  }

  /// A summary of times, which are recorded in microseconds.
  private static func times(_ name: String, _ labels: [String], _ help: String) -> Self {
    EdgeMetric(name, .summary, labels, help, scale: 1e-6)
  }
}

// MARK: - The local hub

extension EdgeMetric {
  /// Reads of twins.
  public static let getTwins = counter(
    "edgehub_gettwin_total",
    ["source", "id"],
    "Reads of twins."
  )
  /// Time to read a twin.
  public static let getTwinTime = times(
    "edgehub_gettwin_duration_seconds",
    ["source", "id"],
    "Time to read a twin."
  )
  /// Messages of clients.
  public static let messagesReceived = counter(
    "edgehub_messages_received_total",
    ["route_output", "id"],
    "Messages of clients."
  )
  /// Messages that their receiver has confirmed.
  public static let messagesSent = counter(
    "edgehub_messages_sent_total",
    ["from", "to", "from_route_output", "to_route_input", "priority"],
    "Messages that their receiver has confirmed."
  )
  /// Updates of reported properties.
  public static let reportedUpdates = counter(
    "edgehub_reported_properties_total",
    ["target", "id"],
    "Updates of reported properties."
  )
  /// Size of the messages of clients.
  public static let messageSize = EdgeMetric(
    "edgehub_message_size_bytes",
    .summary,
    ["id"],
    "Size of the messages of clients."
  )
  /// Time from sending a message to its confirmation.
  public static let sendTime = times(
    "edgehub_message_send_duration_seconds",
    ["from", "to", "from_route_output", "to_route_input"],
    "Time from sending a message to its confirmation."
  )
  /// Time from the arrival of a message to its confirmation.
  public static let processTime = times(
    "edgehub_message_process_duration_seconds",
    ["from", "to", "priority"],
    "Time from the arrival of a message to its confirmation."
  )
  /// Time to update reported properties.
  public static let reportedTime = times(
    "edgehub_reported_properties_update_duration_seconds",
    ["target", "id"],
    "Time to update reported properties."
  )
  /// Time of direct methods.
  public static let methodTime = times(
    "edgehub_direct_method_duration_seconds",
    ["from", "to"],
    "Time of direct methods."
  )
  /// Direct methods.
  public static let methods = counter(
    "edgehub_direct_methods_total",
    ["from", "to"],
    "Direct methods."
  )
  /// Messages that wait for an endpoint.
  public static let queueLength = gauge(
    "edgehub_queue_length",
    ["endpoint", "priority"],
    "Messages that wait for an endpoint."
  )
  /// Messages that were given up.
  public static let messagesDropped = counter(
    "edgehub_messages_dropped_total",
    ["reason", "from", "from_route_output"],
    "Messages that were given up."
  )
  /// Messages that could not be kept, and were not acknowledged.
  public static let messagesUnacknowledged = counter(
    "edgehub_messages_unack_total",
    ["reason", "from", "from_route_output"],
    "Messages that could not be kept, and were not acknowledged."
  )
  /// How often the hub above was lost.
  public static let offlineCount = counter(
    "edgehub_offline_count_total",
    ["id"],
    "How often the hub above was lost."
  )
  /// Time for which the hub above was not reached.
  public static let offlineTime = times(
    "edgehub_offline_duration_seconds",
    ["id"],
    "Time for which the hub above was not reached."
  )
  /// Operations that were done again.
  public static let retries = counter(
    "edgehub_operation_retry_total",
    ["id", "operation"],
    "Operations that were done again."
  )
  /// Clients that were turned away.
  public static let connectFailures = counter(
    "edgehub_client_connect_failed_total",
    ["id", "reason"],
    "Clients that were turned away."
  )
  /// Modules and devices that are connected.
  public static let connectedClients = gauge(
    "edgehub_connected_clients",
    [],
    "Modules and devices that are connected."
  )
  /// Clients that were let in.
  public static let connects = counter(
    "edgehub_client_connect_success_total",
    ["id"],
    "Clients that were let in."
  )
  /// Clients that left.
  public static let disconnects = counter(
    "edgehub_client_disconnect_total",
    ["id"],
    "Clients that left."
  )
  /// Bytes of messages that wait.
  public static let storeBytes = gauge("edgehub_store_bytes", [], "Bytes of messages that wait.")
  /// Bytes of messages that may wait.
  public static let storeLimit = gauge(
    "edgehub_store_limit_bytes",
    [],
    "Bytes of messages that may wait."
  )

  /// All metrics of the local hub.
  public static let ofHub = [
    getTwins, getTwinTime, messagesReceived, messagesSent, reportedUpdates, messageSize, sendTime,
    processTime, reportedTime, methodTime, methods, queueLength, messagesDropped,
    messagesUnacknowledged, offlineCount, offlineTime, retries, connectFailures, connectedClients,
    connects, disconnects, storeBytes, storeLimit,
  ]
}

// MARK: - The agent

extension EdgeMetric {
  private static let module = ["module_name"]
  private static let version = ["module_name", "module_version"]
  private static let disk = ["disk_name", "disk_filesystem", "disk_filetype"]

  /// Time that the module ran as it should.
  public static let timeWell = gauge(
    "edgeAgent_total_time_running_correctly_seconds",
    module,
    "Time that the module ran as it should."
  )
  /// Time that the module should have run.
  public static let timeExpected = gauge(
    "edgeAgent_total_time_expected_running_seconds",
    module,
    "Time that the module should have run."
  )
  /// Starts of the module.
  public static let moduleStarts = counter(
    "edgeAgent_module_start_total",
    version,
    "Starts of the module."
  )
  /// Stops of the module.
  public static let moduleStops = counter(
    "edgeAgent_module_stop_total",
    version,
    "Stops of the module."
  )
  /// Updates of the module.
  public static let moduleUpdates = counter(
    "edgeAgent_module_prepare_update_total",
    version,
    "Updates of the module."
  )
  /// Time of steps.
  public static let commandTime = times(
    "edgeAgent_command_latency_seconds",
    ["command"],
    "Time of steps."
  )
  /// Reads of the twin.
  public static let syncs = counter("edgeAgent_iothub_syncs_total", [], "Reads of the twin.")
  /// Reads of the twin that failed.
  public static let failedSyncs = counter(
    "edgeAgent_unsuccessful_iothub_syncs_total",
    [],
    "Reads of the twin that failed."
  )
  /// Images that were not run for their digest or signature; ours.
  public static let refusedImages = counter(
    "orrery_edge_images_refused_total",
    [],
    "Images that were not run for their digest or signature."
  )
  /// Time from a new deployment until the machine was as it says.
  public static let deploymentTime = times(
    "edgeAgent_deployment_time_seconds",
    [],
    "Time from a new deployment until the machine was as it says."
  )
  /// Direct methods.
  public static let methodCalls = counter(
    "edgeagent_direct_method_invocations_count",
    ["method_name"],
    "Direct methods."
  )
  /// Time since the machine's start.
  public static let hostUptime = gauge(
    "edgeAgent_host_uptime_seconds",
    [],
    "Time since the machine's start."
  )
  /// Time since the agent's start.
  public static let runtimeUptime = gauge(
    "edgeAgent_iotedged_uptime_seconds",
    [],
    "Time since the agent's start."
  )
  /// Bytes free on the disk.
  public static let diskFree = gauge(
    "edgeAgent_available_disk_space_bytes",
    disk,
    "Bytes free on the disk."
  )
  /// Bytes of the disk.
  public static let diskSize = gauge("edgeAgent_total_disk_space_bytes", disk, "Bytes of the disk.")
  /// Memory in use.
  public static let memoryUsed = gauge("edgeAgent_used_memory_bytes", module, "Memory in use.")
  /// Memory there is.
  public static let memorySize = gauge("edgeAgent_total_memory_bytes", module, "Memory there is.")
  /// Processor time in use, of all processors.
  public static let processorPercent = EdgeMetric(
    "edgeAgent_used_cpu_percent",
    .summary,
    module,
    "Processor time in use, of all processors.",
    scale: 1e-3
  )
  /// Processes.
  public static let processes = gauge("edgeAgent_created_pids_total", module, "Processes.")
  /// Bytes received.
  public static let networkIn = gauge("edgeAgent_total_network_in_bytes", module, "Bytes received.")
  /// Bytes sent.
  public static let networkOut = gauge("edgeAgent_total_network_out_bytes", module, "Bytes sent.")
  /// Bytes read from disks.
  public static let diskRead = gauge(
    "edgeAgent_total_disk_read_bytes",
    module,
    "Bytes read from disks."
  )
  /// Bytes written to disks.
  public static let diskWrite = gauge(
    "edgeAgent_total_disk_write_bytes",
    module,
    "Bytes written to disks."
  )
  /// What runs here: always 0.
  public static let metadata = gauge(
    "edgeAgent_metadata",
    ["edge_agent_version", "experimental_features", "host_information"],
    "What runs here: always 0."
  )

  /// All metrics of the agent.
  public static let ofAgent = [
    timeWell, timeExpected, moduleStarts, moduleStops, moduleUpdates, commandTime, syncs,
    failedSyncs, deploymentTime, methodCalls, hostUptime, runtimeUptime, diskFree, diskSize,
    memoryUsed, memorySize, processorPercent, processes, networkIn, networkOut, diskRead,
    diskWrite, metadata,
  ]
}
