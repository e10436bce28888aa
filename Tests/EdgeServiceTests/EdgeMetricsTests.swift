import ByteIO
import Containers
import EdgeEngine
import EdgeService
import HubContract
import JSONTree
import Platform
import Testing

@Suite("Metrics of an edge (contract §10)")
struct EdgeMetricsTests {
  /// The contract's table: names, their further labels, and what they are.
  private static let contract: [(name: String, labels: [String], kind: String)] = [
    ("edgehub_gettwin_total", ["source", "id"], "counter"),
    ("edgehub_messages_received_total", ["route_output", "id"], "counter"),
    (
      "edgehub_messages_sent_total",
      ["from", "to", "from_route_output", "to_route_input", "priority"], "counter"
    ),
    ("edgehub_reported_properties_total", ["target", "id"], "counter"),
    ("edgehub_message_size_bytes", ["id"], "summary"),
    ("edgehub_gettwin_duration_seconds", ["source", "id"], "summary"),
    (
      "edgehub_message_send_duration_seconds",
      ["from", "to", "from_route_output", "to_route_input"], "summary"
    ),
    ("edgehub_message_process_duration_seconds", ["from", "to", "priority"], "summary"),
    ("edgehub_reported_properties_update_duration_seconds", ["target", "id"], "summary"),
    ("edgehub_direct_method_duration_seconds", ["from", "to"], "summary"),
    ("edgehub_direct_methods_total", ["from", "to"], "counter"),
    ("edgehub_queue_length", ["endpoint", "priority"], "gauge"),
    ("edgehub_messages_dropped_total", ["reason", "from", "from_route_output"], "counter"),
    ("edgehub_messages_unack_total", ["reason", "from", "from_route_output"], "counter"),
    ("edgehub_offline_count_total", ["id"], "counter"),
    ("edgehub_offline_duration_seconds", ["id"], "summary"),
    ("edgehub_operation_retry_total", ["id", "operation"], "counter"),
    ("edgehub_client_connect_failed_total", ["id", "reason"], "counter"),
    ("edgehub_connected_clients", [], "gauge"),
    ("edgehub_client_connect_success_total", ["id"], "counter"),
    ("edgehub_client_disconnect_total", ["id"], "counter"),
    ("edgehub_store_bytes", [], "gauge"),
    ("edgehub_store_limit_bytes", [], "gauge"),
    ("edgeAgent_total_time_running_correctly_seconds", ["module_name"], "gauge"),
    ("edgeAgent_total_time_expected_running_seconds", ["module_name"], "gauge"),
    ("edgeAgent_module_start_total", ["module_name", "module_version"], "counter"),
    ("edgeAgent_module_stop_total", ["module_name", "module_version"], "counter"),
    ("edgeAgent_module_prepare_update_total", ["module_name", "module_version"], "counter"),
    ("edgeAgent_command_latency_seconds", ["command"], "summary"),
    ("edgeAgent_iothub_syncs_total", [], "counter"),
    ("edgeAgent_unsuccessful_iothub_syncs_total", [], "counter"),
    ("edgeAgent_deployment_time_seconds", [], "summary"),
    ("edgeagent_direct_method_invocations_count", ["method_name"], "counter"),
    ("edgeAgent_host_uptime_seconds", [], "gauge"),
    ("edgeAgent_iotedged_uptime_seconds", [], "gauge"),
    (
      "edgeAgent_available_disk_space_bytes", ["disk_name", "disk_filesystem", "disk_filetype"],
      "gauge"
    ),
    (
      "edgeAgent_total_disk_space_bytes", ["disk_name", "disk_filesystem", "disk_filetype"], "gauge"
    ),
    ("edgeAgent_used_memory_bytes", ["module_name"], "gauge"),
    ("edgeAgent_total_memory_bytes", ["module_name"], "gauge"),
    ("edgeAgent_used_cpu_percent", ["module_name"], "summary"),
    ("edgeAgent_created_pids_total", ["module_name"], "gauge"),
    ("edgeAgent_total_network_in_bytes", ["module_name"], "gauge"),
    ("edgeAgent_total_network_out_bytes", ["module_name"], "gauge"),
    ("edgeAgent_total_disk_read_bytes", ["module_name"], "gauge"),
    ("edgeAgent_total_disk_write_bytes", ["module_name"], "gauge"),
    (
      "edgeAgent_metadata", ["edge_agent_version", "experimental_features", "host_information"],
      "gauge"
    ),
  ]

  private static let edge = [("iothub", "h"), ("edge_device", "e"), ("instance_number", "1")]

  private static func page(
    _ samples: [PrometheusMetrics.Sample]
  ) throws -> (
    text: String, values: [MetricsText.Value]
  ) {
    let metrics = PrometheusMetrics()
    metrics.collect { samples }
    let text = metrics.page()
    return (text, try MetricsText.parse([UInt8](text.utf8).span))
  }

  @Test("every metric of the contract is shown, with its labels and its kind")
  func table() throws {
    let now = SystemClock.now()
    let all = EdgeMetric.ofHub + EdgeMetric.ofAgent
    #expect(Set(all.map(\.name)) == Set(Self.contract.map(\.name)))
    var table = MetricTable()
    for metric in all {
      switch metric.kind {
      case .counter: table.count(metric, metric.labels)
      case .gauge: table.set(metric, metric.labels, to: 1)
      case .summary: table.record(metric, metric.labels, 1, now: now)
      }
    }
    let (text, values) = try Self.page(
      table.samples(now: now).map { $0.prometheus(Self.edge) }
    )
    for row in Self.contract {
      let labels = Set(row.labels + Self.edge.map(\.0))
      let own = values.filter { $0.name == row.name }
      let quantiles: Set<String> = row.kind == "summary" ? ["quantile"] : []
      #expect(own.count == (row.kind == "summary" ? 6 : 1), "\(row.name)")
      #expect(own.allSatisfy { Set($0.labels.keys) == labels.union(quantiles) }, "\(row.name)")
      #expect(text.contains("# TYPE \(row.name) \(row.kind)\n"), "\(row.name)")
      for suffix in row.kind == "summary" ? ["_sum", "_count"] : [] {
        let one = values.filter { $0.name == row.name + suffix }
        #expect(one.map { Set($0.labels.keys) } == [labels], "\(row.name)\(suffix)")
        #expect(!text.contains("# TYPE \(row.name)\(suffix)"), "it belongs to the summary")
      }
    }
  }

  @Test("the agent shows what it did, and what the machine uses")
  func agent() throws {
    let directory = try TemporaryDirectory()
    let metrics = AgentMetrics(labels: Self.edge, path: directory.path + "/availability.json")
    metrics.performed(.start("m"), milliseconds: 20)
    metrics.performed(.stop("m"), milliseconds: 20)
    metrics.called("ping")
    metrics.synchronised(true)
    metrics.deploymentBegan()
    metrics.deploymentIsDone()
    metrics.deploymentIsDone()
    metrics.runs("1.0", on: RuntimePlatform(os: "linux", architecture: "x86_64", version: "6"))
    let host = HostUsage.read()
    metrics.measured([:], host: host, now: Instant(nanoseconds: 1))
    metrics.measured([:], host: host, now: Instant(nanoseconds: 1_000_000_001))
    let (_, values) = try Self.page(metrics.samples())
    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
      values.first { value in
        value.name == name && labels.allSatisfy { value.labels[$0.key] == $0.value }
      }?.value
    }
    #expect(value("edgeAgent_module_start_total", ["module_name": "m"]) == 1)
    #expect(value("edgeAgent_module_stop_total", ["module_name": "m"]) == 1)
    #expect(value("edgeAgent_command_latency_seconds_count", ["command": "start"]) == 1)
    #expect(value("edgeAgent_iothub_syncs_total") == 1)
    #expect(value("edgeAgent_unsuccessful_iothub_syncs_total") == 0)
    #expect(value("edgeAgent_deployment_time_seconds_count") == 1)
    #expect(value("edgeagent_direct_method_invocations_count", ["method_name": "ping"]) == 1)
    let whole = ["module_name": "_host_"]
    #expect(try #require(value("edgeAgent_total_memory_bytes", whole)) > 1_048_576)
    #expect(try #require(value("edgeAgent_used_memory_bytes", whole)) > 1_048_576)
    #expect(try #require(value("edgeAgent_created_pids_total", whole)) >= 1)
    #expect(value("edgeAgent_used_cpu_percent_count", whole) == 1)
    #expect(try #require(value("edgeAgent_host_uptime_seconds")) > 0)
    #expect(value("edgeAgent_metadata", ["edge_agent_version": "1.0"]) == 0)
    #expect(values.allSatisfy { $0.labels["edge_device"] == "e" })
  }

  @Test("availability goes on after a restart")
  func availability() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/availability.json"
    func well(_ metrics: AgentMetrics) throws -> Double? {
      try Self.page(metrics.samples()).values.first {
        $0.name == "edgeAgent_total_time_expected_running_seconds"
          && $0.labels["module_name"] == "edgeHub"
      }?.value
    }
    let wanted = try AgentConfiguration(desired: [
      "schemaVersion": "1.1", "runtime": ["type": "docker", "settings": [:]],
      "systemModules": [
        "edgeAgent": ["type": "docker", "settings": ["image": "a:1"]],
        "edgeHub": ["type": "docker", "status": "running", "settings": ["image": "h:1"]],
      ],
      "modules": [:],
    ])
    let first = AgentMetrics(labels: [], path: path)
    first.observed([], wanted: wanted, milliseconds: 5_000)
    #expect(!PrivateFile.exists(path), "it is written now and then alone")
    first.keep(isLast: true)
    let second = AgentMetrics(labels: [], path: path)
    second.observed([], wanted: wanted, milliseconds: 2_000)
    #expect(try well(second) == 7)
    try PrivateFile.replace(path, with: [UInt8]("{\"edgeHub\":3,".utf8))
    #expect(try well(AgentMetrics(labels: [], path: path)) == nil)
  }

  @Test("the kernel's texts are read")
  func host() {
    let host = HostUsage(
      memory: "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:     400 kB\n",
      processors: "cpu  10 5 20 1000 7 1 2 3 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n",
      network: """
        Inter-|   Receive                    |  Transmit
         face |bytes    packets errs drop fifo frame compressed multicast|bytes packets
            lo: 50 1 0 0 0 0 0 0 50 1 0 0 0 0 0 0
          eth0:100 1 0 0 0 0 0 0 30 1 0 0 0 0 0 0
         wlan0: 5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0
        """,
      disks: """
           8  0 sda 1 0 4 0 1 0 6 0 0 0 0
           8  1 sda1 1 0 4 0 1 0 6 0 0 0 0
           8 16 sdb 1 0 2 0 1 0 1 0 0 0 0
        """,
      mounts: """
        proc /proc proc rw 0 0
        /dev/sda1 / ext4 rw 0 0
        /dev/sda1 /srv ext4 rw 0 0
        /dev/sdb /mnt/a\\040b xfs rw 0 0
        /dev/loop0 /snap squashfs ro 0 0
        """
    )
    #expect(host.totalMemoryBytes == 1_024_000)
    #expect(host.usage.memoryBytes == 614_400)
    #expect(host.usage.processorNanoseconds == 410_000_000)
    #expect(host.usage.networkInBytes == 105)
    #expect(host.usage.networkOutBytes == 36)
    #expect(host.usage.diskReadBytes == 3_072)
    #expect(host.usage.diskWriteBytes == 3_584)
    #expect(host.disks.map(\.name) == ["sda1", "sdb"])
    #expect(host.disks.map(\.fileSystem) == ["ext4", "xfs"])
    let nothing = HostUsage(
      memory: "MemTotal:\n",
      processors: "cpu\n",
      disks: "8\n",
      mounts: "/dev/x"
    )
    #expect(nothing.totalMemoryBytes == 0)
    #expect(nothing.disks.isEmpty)
  }
}
