import EdgeEngine
import HubContract
import JSONTree
import Testing

@Suite("Reported properties of $edgeAgent (edge contract 2.7)")
struct AgentReportTests {
  private func reported(by machine: FakeMachine) -> JSONObject {
    machine.agent.report(
      machine.list,
      lastDesired: LastDesired(version: 7, status: .ok),
      platform: RuntimePlatform(os: "linux", architecture: "x86_64", version: "1"),
      version: RuntimeVersion(version: "0.1.0"),
      now: machine.now
    )
  }

  private func settledMachine() throws -> FakeMachine {
    var machine = FakeMachine(try AgentConfiguration(desired: AgentConfigurationTests.sample))
    machine.modules["edgeAgent"] = ModuleObservation(
      name: "edgeAgent",
      state: .running,
      statusDescription: "running",
      lastStart: Timestamp(seconds: 1),
      imageHash: "sha256:1",
      image: "agent:1",
      environment: ["A": "x"]
    )
    for _ in 0..<4 {
      _ = machine.pass()
      machine.fetched()
    }
    return machine
  }

  @Test("everything as tools expect it; passwords do not show (DIFF 4)")
  func whole() throws {
    var machine = try settledMachine()
    machine.end("filter", .exited(3))
    let report = reported(by: machine)
    #expect(!JSON.text(.object(report)).contains("\"p2\""))
    let expected = try JSON.parse(
      #"""
      {"schemaVersion":"1.0","version":{"version":"0.1.0","build":"","commit":""},
       "lastDesiredVersion":7,"lastDesiredStatus":{"code":200,"description":""},
       "runtime":{"type":"docker","settings":{"minDockerVersion":"v1.25",
         "loggingOptions":"{\"max-size\":\"1m\"}","registryCredentials":{
           "own":{"address":"registry.example:5000","username":"u","password":"***"},
           "up":{"address":"$upstream:443","username":"u2","password":"***"}}},
         "platform":{"os":"linux","architecture":"x86_64","version":"1"}}}
      """#
    )
    for (key, value) in expected.objectValue ?? [:] { #expect(report[key] == value, "\(key)") }
    #expect(
      report["systemModules"]?["edgeAgent"] == [
        "type": "docker", "exitCode": 0, "statusDescription": "running",
        "lastStartTimeUtc": "1970-01-01T00:00:01.0000000Z",
        "lastExitTimeUtc": "0001-01-01T00:00:00Z",
        "runtimeStatus": "running", "imagePullPolicy": "never",
        "settings": ["image": "agent:1", "imageHash": "sha256:1", "createOptions": "{}"],
        "env": ["A": ["value": "x"]],
      ]
    )
    let filter = try #require(report["modules"]?["filter"]?.objectValue)
    #expect(filter["runtimeStatus"] == "backoff")
    #expect(filter["exitCode"] == 3)
    #expect(filter["startupOrder"] == nil)
    #expect(filter["restartCount"] == 0)
    #expect(filter["lastRestartTimeUtc"] == "0001-01-01T00:00:00Z")
    #expect(filter["restartPolicy"] == "on-failure")
    #expect(filter["status"] == "running")
    #expect(filter["env"]?["N"] == ["value": "1.5"])
    #expect(
      filter["settings"] == [
        "image": "registry.example:5000/a/filter:2.1", "imageHash": "",
        "createOptions": #"{"Labels":{"a":"b"}}"#,
      ]
    )
    #expect(report["systemModules"]?["edgeHub"]?["startupOrder"] == 1)
    #expect(report["modules"]?["plain"]?["status"] == "stopped")
    #expect(report["modules"]?["plain"]?["runtimeStatus"] == "stopped")
  }

  @Test("only differences are sent, null for what goes; all is deleted first if the last is lost")
  func differences() throws {
    var machine = try settledMachine()
    let first = reported(by: machine)
    var reported = ReportedProperties(last: nil, keys: ReportedProperties.agentKeys)
    #expect(reported.patches(for: first).count == 2)
    #expect(JSON.text(.object(reported.patches(for: first)[0])).contains(#""modules":null"#))
    #expect(reported.patches(for: first)[1] == first)
    reported.sent(first)
    #expect(reported.patches(for: first).isEmpty)
    machine.modules["filter"] = nil
    machine.modules["plain"]?.state = .exited(2)
    let patches = reported.patches(for: self.reported(by: machine))
    #expect(
      patches == [
        ["modules": ["plain": ["exitCode": 2, "runtimeStatus": "failed"], "filter": nil]]
      ]
    )
    var service = first
    service.merge(patch: patches[0])
    #expect(service == self.reported(by: machine))
    // While the machine cannot be read, only these two are told.
    let status = LastDesired(version: 8, status: DesiredStatus(.failed, "no engine"))
    let partial = reported.patches(for: reported.replacing(status.members))
    #expect(
      partial == [
        [
          "lastDesiredVersion": 8,
          "lastDesiredStatus": ["code": 500, "description": "no engine"],
        ]
      ]
    )
  }

  @Test("after an orderly end every status is unknown")
  func shutdown() throws {
    let last = reported(by: try settledMachine()).afterShutdown()
    #expect(last["lastDesiredStatus"]?["code"] == 406)
    #expect(last["systemModules"]?["edgeAgent"]?["runtimeStatus"] == "unknown")
    #expect(last["modules"]?["filter"]?["runtimeStatus"] == "unknown")
    #expect(last["modules"]?["filter"]?["status"] == "running")
  }
}
