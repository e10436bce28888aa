import EdgeEngine
import EdgeService
import JSONTree
import Logging
import Platform
import Testing

@Suite("Variables of the local hub")
struct LocalHubVariablesTests {
  @Test("names are read whatever their case, and what is unknown is left alone")
  func known() throws {
    let variables = try LocalHubVariables([
      "maxconnectedclients": "7", "MessageAckTimeoutSecs": "12", "CloudOperationTimeoutSecs": "3",
      "UPSTREAMPROTOCOL": "MqttWs", "RuntimeLogLevel": "Verbose", "PATH": "/bin",
      "Metrics__Listener__Port": "0", "AmqpSettings__Enabled": "False",
      "AMQPSETTINGS__PORT": "15671",
    ])
    #expect(variables.maxConnectedClients == 7)
    #expect(variables.messageAckSeconds == 12)
    #expect(variables.operationSeconds == 3)
    #expect(variables.upstreamProtocol == .mqttWs)
    #expect(variables.logLevel == .trace)
    #expect(variables.metricsPort == 0)
    #expect(!variables.servesAMQP && variables.amqpPort == 15_671)
    #expect(variables.withoutEffect.isEmpty)
    #expect(variables.localConfiguration == nil)
  }

  @Test("each protocol can be turned off, and HTTPS has a port of its own")
  func listeners() throws {
    let variables = try LocalHubVariables([
      "mqttSettings__enabled": "false", "HttpSettings__Enabled": "False",
      "HttpSettings__Port": "8443", "ApiProxyModuleId": "front",
    ])
    #expect(!variables.servesMQTT && !variables.servesHTTPS && variables.servesAMQP)
    #expect(variables.httpsPort == 8_443 && variables.proxyModuleID == "front")
    #expect(variables.withoutEffect.isEmpty)
    #expect(throws: SettingsFault.self) {
      try LocalHubVariables(["MqttSettings__Enabled": "perhaps"])
    }
    #expect(throws: SettingsFault.self) { try LocalHubVariables(["ApiProxyModuleId": "a/b"]) }
  }

  @Test("of two sources the second wins, whatever the case of the names")
  func joined() {
    let joined = EnvironmentVariables.joined(
      ["UpstreamProtocol": "Mqtt", "a": "1", "B": "1"],
      ["upstreamprotocol": "MqttWs", "b": "2"]
    )
    #expect(joined == ["upstreamprotocol": "MqttWs", "a": "1", "b": "2"])
  }

  @Test("what a local hub would not start with is refused before")
  func checked() throws {
    try LocalHubVariables.check(["https_proxy": "http://u:p@proxy.example:3128", "Other": "x"])
    for wrong in [
      ["https_proxy": "ftp://proxy"], ["MaxConnectedClients": "many"], ["A": "b\u{0}c"],
    ] {
      #expect(throws: SettingsFault.self) { try LocalHubVariables.check(wrong) }
    }
  }

  /// Settings with tables of their own, the second of which is what a deployment adds.
  struct Ports: Sendable {
    var settings = ""
    let deployed: String
    /// Nil if both go together.
    let refusal: String?
  }

  @Test(
    "two listeners of the local hub on one port are refused, which are named",
    arguments: [
      Ports(deployed: #"AmqpSettings__Port = "8883""#, refusal: "hub.mqtt_port and AmqpSettings"),
      Ports(deployed: #"HttpSettings__Port = "5671""#, refusal: "hub.amqp_port and HttpSettings"),
      Ports(
        deployed: "AmqpSettings__Port = \"1\"\nHttpSettings__Port = \"1\"",
        refusal: "AmqpSettings__Port and HttpSettings__Port are both 1"
      ),
      Ports(deployed: #"Metrics__Listener__Port = "443""#, refusal: "Metrics__Listener__Port"),
      Ports(deployed: #"Metrics__Listener__Port = "9601""#, refusal: "metrics.agent_port"),
      Ports(
        settings: "[hub]\nhost = \"10.0.0.1\"\n",
        deployed: #"Metrics__Listener__Port = "443""#,
        refusal: nil
      ),
      Ports(
        settings: "[hub]\nhost = \"::\"\n",
        deployed: #"Metrics__Listener__Port = "443""#,
        refusal: "hub.https_port"
      ),
      Ports(
        deployed: "MqttSettings__Enabled = \"false\"\nAmqpSettings__Port = \"8883\"",
        refusal: nil
      ),
      Ports(
        deployed: "AmqpSettings__Port = \"0\"\nHttpSettings__Port = \"0\"",
        refusal: nil
      ),
      // What an operator has written is not the deployment's fault.
      Ports(
        settings: "[hub]\nmqtt_port = 443\n",
        deployed: #"MaxConnectedClients = "9""#,
        refusal: nil
      ),
      Ports(
        settings: "[hub]\nmqtt_port = 443\n",
        deployed: #"AmqpSettings__Port = "443""#,
        refusal: "hub.mqtt_port and AmqpSettings__Port are both 443"
      ),
    ]
  )
  func clashes(_ ports: Ports) throws {
    func settings(_ text: String) throws -> EdgeSettings {
      let whole = SettingsCopyTests.connection + text
      return try EdgeSettings(
        Array(whole.utf8),
        file: "/etc/edge.toml",
        paths: EdgePaths(data: "/d", run: "/run/e")
      )
    }
    let before = try settings(ports.settings)
    let after = try settings(ports.settings + "[hub.env]\n" + ports.deployed + "\n")
    var refusal: String?
    do throws(SettingsFault) {
      try after.refuseClashes(beyond: before)
    } catch {
      refusal = error.problem
    }
    #expect((refusal == nil) == (ports.refusal == nil), "\(refusal ?? "-")")
    if let words = ports.refusal { #expect(refusal?.contains(words) == true, "\(refusal ?? "-")") }
  }

  @Test("what the vendor's hub knows and this one needs not is named")
  func withoutEffect() throws {
    let variables = try LocalHubVariables([
      "RocksDB_MaxOpenFiles": "1", "optimizeForPerformance": "false", "Something": "else",
    ])
    #expect(variables.withoutEffect.sorted() == ["RocksDB_MaxOpenFiles", "optimizeForPerformance"])
  }

  @Test("a protocol says which ways upstream are tried")
  func ways() {
    let found = LocalHubVariables.UpstreamProtocol.allCases.map {
      [$0.usesTLS, $0.usesWebSocket, $0.isSpoken]
    }
    #expect(
      found == [
        [true, true, false], [false, true, false], [true, false, true], [false, true, true],
      ]
    )
  }

  @Test("routes come from the environment when the source is local")
  func local() throws {
    let variables = try LocalHubVariables([
      "configSource": "local", "routes__up": "FROM /messages/* INTO $upstream",
      "routes__a": "FROM /messages/modules/a/* INTO BrokeredEndpoint(\"/modules/b/inputs/i\")",
      "TimeToLiveSecs": "60",
    ])
    let desired = try #require(variables.localConfiguration)
    let configuration = try HubConfiguration(desired: desired)
    #expect(configuration.routes.map(\.name).sorted() == ["a", "up"])
    #expect(configuration.timeToLive == .seconds(60))
  }

  @Test(
    "a value that is none is refused with its name",
    arguments: [
      ["MaxConnectedClients": "0"], ["MessageAckTimeoutSecs": "soon"], ["ConfigSource": "moon"],
      ["UpstreamProtocol": "http"], ["RuntimeLogLevel": "loud"],
      ["Metrics__Listener__MetricsEnabled": "maybe"], ["Metrics__Listener__Port": "65536"],
      ["ConfigSource": "local", "TimeToLiveSecs": "-2"],
    ]
  )
  func refused(_ environment: [String: String]) {
    let fault = #expect(throws: SettingsFault.self) { try LocalHubVariables(environment) }
    #expect(environment.keys.contains { fault?.problem.contains($0) == true })
  }
}
