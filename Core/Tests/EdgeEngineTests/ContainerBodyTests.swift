import EdgeEngine
import JSONTree
import Testing

@Suite("What the agent gives each container (edge contract 2.4, 3.6)")
struct ContainerBodyTests {
  private static let surroundings = ModuleSurroundings(
    hubHostName: "hub.example",
    deviceID: "edge1",
    edgeHostName: "edge1.local"
  )

  private func makeModule(
    _ name: String = "filter",
    createOptions: String = "{}"
  ) throws -> ModuleConfiguration {
    let desired = AgentConfigurationTests.changed(
      ["modules", "filter", "settings"],
      ["image": "filter:1", "createOptions": .string(createOptions)]
    )
    let all = try AgentConfiguration(desired: desired).allModules
    return try #require(all.first { $0.name == name })
  }

  private func makeBody(
    _ module: ModuleConfiguration,
    _ surroundings: ModuleSurroundings = surroundings,
    binds: [ContainerBody.Bind] = [],
    allowsElevation: Bool = true
  ) throws -> JSONObject {
    ContainerBody(
      module,
      image: try #require(ImageReference(module.image)).description,
      generationID: "g1",
      surroundings: surroundings,
      binds: binds,
      allowsElevation: allowsElevation
    ).object
  }

  private func environment(_ body: JSONObject) -> [String] {
    body["Env"]?.arrayValue?.compactMap(\.stringValue) ?? []
  }

  @Test("variables of user modules and of the system's, alone and nested")
  func variables() throws {
    let common = [
      "IOTEDGE_APIVERSION=2022-08-03", "IOTEDGE_AUTHSCHEME=sasToken", "IOTEDGE_DEVICEID=edge1",
      "IOTEDGE_IOTHUBHOSTNAME=hub.example", "IOTEDGE_MODULEGENERATIONID=g1",
      "IOTEDGE_WORKLOADURI=unix:///var/run/iotedge/workload.sock",
    ]
    var nested = Self.surroundings
    nested.parentHostName = "parent.local"
    nested.upstreamProtocol = "AmqpWs"
    nested.runtimeLogLevel = "debug"
    nested.managementURI = "unix:///m.sock"
    nested.workloadListenMountURI = "unix:///mnt"
    let passed = ["RuntimeLogLevel=debug", "UpstreamProtocol=AmqpWs"]
    let own = ["B=true", "E=", "N=1.5", "T=text", "IOTEDGE_MODULEID=filter"]
    let gateway = ["IOTEDGE_GATEWAYHOSTNAME=edge1.local"]
    let rows: [(String, ModuleSurroundings, [String])] = [
      ("filter", Self.surroundings, common + own + gateway),
      ("filter", nested, common + own + gateway + passed + ["IOTEDGE_PARENTHOSTNAME=parent.local"]),
      (
        "edgeHub", Self.surroundings,
        common + ["IOTEDGE_MODULEID=$edgeHub", "EdgeDeviceHostName=edge1.local"]
      ),
      (
        "edgeHub", nested,
        common + passed + [
          "IOTEDGE_MODULEID=$edgeHub", "EdgeDeviceHostName=edge1.local",
          "IOTEDGE_GATEWAYHOSTNAME=parent.local",
        ]
      ),
      (
        "edgeAgent", nested,
        common + passed + [
          "A=x", "IOTEDGE_MODULEID=$edgeAgent", "EdgeDeviceHostName=edge1.local",
          "IOTEDGE_GATEWAYHOSTNAME=parent.local", "IOTEDGE_MANAGEMENTURI=unix:///m.sock",
          "IOTEDGE_WORKLOADLISTEN_MNTURI=unix:///mnt", "NetworkId=azure-iot-edge", "Mode=iotedged",
        ]
      ),
    ]
    for (name, surroundings, expected) in rows {
      let body = try makeBody(try makeModule(name), surroundings)
      #expect(environment(body).sorted() == expected.sorted(), "\(name)")
    }
  }

  @Test("what the user wrote stays, and beats what the agent would add")
  func createOptions() throws {
    let options = #"""
      {"Env":["IOTEDGE_MODULEID=mine","X=a=b"],"Image":"other","Labels":{"own":"1"},
       "HostConfig":{"Binds":["/a:/b"],"RestartPolicy":{"Name":"always"},"Privileged":true,
         "CapAdd":["NET_ADMIN"],"Unheard":{"Of":[9223372036854775807,1.50]}},
       "Healthcheck":{"Interval":9223372036854775807},"Unknown":null}
      """#
    let module = try makeModule(createOptions: options)
    let bind = ContainerBody.Bind(
      host: "/run/w/filter.sock",
      container: "/var/run/iotedge/workload.sock"
    )
    let body = try makeBody(module, binds: [bind])
    #expect(environment(body).prefix(2) == ["IOTEDGE_MODULEID=mine", "X=a=b"])
    #expect(environment(body).filter { $0.hasPrefix("IOTEDGE_MODULEID=") }.count == 1)
    #expect(body["Image"] == "filter:1")
    #expect(body["Healthcheck"] == ["Interval": 9_223_372_036_854_775_807])
    #expect(body["Unknown"]?.isNull == true)
    let host = try #require(body["HostConfig"]?.objectValue)
    #expect(host["Binds"] == ["/a:/b", "/run/w/filter.sock:/var/run/iotedge/workload.sock"])
    #expect(host["RestartPolicy"] == nil)
    #expect(host["Privileged"] == true)
    #expect(host["Unheard"].map { JSON.text($0) } == #"{"Of":[9223372036854775807,1.50]}"#)

    let labels = try #require(body["Labels"]?.objectValue)
    #expect(labels["own"] == "1")
    #expect(labels["net.azure-devices.edge.owner"] == "Microsoft.Azure.Devices.Edge.Agent")
    let texts = labels.reduce(into: [String: String]()) { $0[$1.key] = $1.value.stringValue }
    let origin = try #require(ContainerBody.origin(labels: texts))
    #expect(origin.image == "filter:1")
    #expect(origin.createOptions == module.createOptions)
    #expect(origin.environment == module.environment)
    #expect(ContainerBody.origin(labels: ["own": "1"]) == nil)
  }

  @Test("elevation that is not allowed is dropped")
  func elevation() throws {
    let options = #"{"HostConfig":{"Privileged":true,"CapAdd":["ALL"],"CapDrop":["CHOWN","KILL"]}}"#
    let body = try makeBody(try makeModule(createOptions: options), allowsElevation: false)
    let host = try #require(body["HostConfig"]?.objectValue)
    #expect(host["Privileged"] == nil && host["CapAdd"] == nil)
    #expect(host["CapDrop"] == ["CHOWN", "KILL", "SETUID"])
  }

  @Test("modules join the network unless the user says otherwise")
  func network() throws {
    let rows: [(String, String, JSONValue?)] = [
      ("filter", "{}", ["EndpointsConfig": ["azure-iot-edge": [:]]]),
      ("edgeHub", "{}", ["EndpointsConfig": ["azure-iot-edge": ["Aliases": ["edge1.local"]]]]),
      (
        "filter", #"{"NetworkingConfig":{"EndpointsConfig":{},"x":1}}"#,
        ["EndpointsConfig": ["azure-iot-edge": [:]], "x": 1]
      ),
      (
        "filter", #"{"NetworkingConfig":{"EndpointsConfig":{"own":{}}}}"#,
        ["EndpointsConfig": ["own": [:]]]
      ),
      ("filter", #"{"HostConfig":{"NetworkMode":"host"}}"#, nil),
      ("filter", #"{"HostConfig":{"NetworkMode":"none"}}"#, nil),
      ("filter", #"{"HostConfig":{"NetworkMode":"container:x"}}"#, nil),
      (
        "filter", #"{"HostConfig":{"NetworkMode":"bridge"}}"#,
        ["EndpointsConfig": ["azure-iot-edge": [:]]]
      ),
    ]
    for (name, options, expected) in rows {
      let body = try makeBody(try makeModule(name, createOptions: options))
      #expect(body["NetworkingConfig"] == expected, "\(name), \(options)")
    }
  }

  @Test("the gateway's name leads to the machine, unless the user says where to")
  func gatewayName() throws {
    let added: JSONValue = ["edge1.local:host-gateway"]
    let rows: [(String, JSONValue?)] = [
      ("{}", added),
      (#"{"HostConfig":{"NetworkMode":"bridge"}}"#, added),
      (
        #"{"HostConfig":{"ExtraHosts":["db:10.0.0.2"]}}"#,
        ["db:10.0.0.2", "edge1.local:host-gateway"]
      ),
      (#"{"HostConfig":{"ExtraHosts":["Edge1.local:10.0.0.1"]}}"#, ["Edge1.local:10.0.0.1"]),
      (#"{"HostConfig":{"NetworkMode":"host"}}"#, nil),
      (#"{"HostConfig":{"NetworkMode":"none"}}"#, nil),
    ]
    for (options, expected) in rows {
      let body = try makeBody(try makeModule(createOptions: options))
      #expect(body["HostConfig"]?["ExtraHosts"] == expected, "\(options)")
    }
    for name in ["10.0.0.1", "fd00::1", "localhost"] {
      var surroundings = ModuleSurroundings(hubHostName: "h", deviceID: "d", edgeHostName: name)
      surroundings.networkID = "n"
      let body = try makeBody(try makeModule(), surroundings)
      #expect(body["HostConfig"]?["ExtraHosts"] == nil, "\(name)")
    }
  }
}
