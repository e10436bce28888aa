import EdgeEngine
import HubContract
import JSONTree
import OperatorCommands
import Simulation
import Testing

@Suite("orrery edge simulate")
struct EdgeSimulateTests {
  static let manifest = #"""
    {"modulesContent":{"$edgeHub":{"properties.desired":{"schemaVersion":"1.1",
      "routes":{"up":"FROM /messages/* INTO $upstream"},
      "storeAndForwardConfiguration":{"timeToLiveSecs":7200}}}}}
    """#

  @Test("tells what a day without a link costs")
  func day() async throws {
    var harness = CommandHarness()
    harness.files["m.json"] = Self.manifest
    let outcome = await harness.run(
      "edge",
      "simulate",
      "m.json",
      "--generate",
      "1/m 1KiB from leaf-1",
      "--link",
      "up 1h, down 1d, up",
      "-o",
      "json"
    )
    #expect(outcome.status == .success, "\(outcome.errors)")
    let report = try JSON.parse(outcome.output)
    let hub = report["endpoints"]?.arrayValue?.first
    let sent = 60 + 1440
    #expect(report["messages"]?.int64Value == Int64(sent))
    #expect(hub?["name"]?.stringValue == "iothub")
    let delivered = hub?["delivered"]?.int64Value ?? 0
    let expired = hub?["expired"]?.int64Value ?? 0
    // The last two hours were young enough.
    #expect((177...183).contains(delivered) && delivered + expired == Int64(sent))
    #expect(hub?["waiting"]?.int64Value == 0 && hub?["waitingBytes"]?.int64Value == 0)
    #expect(outcome.requests.isEmpty)
  }

  @Test("what is refused is told to be counted once; what waits has bytes")
  func refused() async throws {
    var harness = CommandHarness()
    harness.files["m.json"] = Self.manifest.replacing("7200", with: "-1")
    let words = [
      "edge", "simulate", "m.json", "--generate", "10/s 64KiB from leaf-1", "--link", "down",
      "--quota", "32MiB", "--for", "10m", "-o",
    ]
    let table = await harness.run(words + ["table"])
    #expect(table.status == .success, "\(table.errors)")
    #expect(table.output.contains("not sent again as a real sender would"), "\(table.output)")
    let json = try JSON.parse(await harness.run(words + ["json"]).output)
    let hub = json["endpoints"]?.arrayValue?.first
    #expect((json["refused"]?.int64Value ?? 0) > 0)
    #expect((hub?["waiting"]?.int64Value ?? 0) > 0 && (hub?["waitingBytes"]?.int64Value ?? 0) > 0)
  }

  @Test(
    "what cannot be used is told with its place",
    arguments: [
      (["--link", "up, down 2h"], "phase 1, 'up', needs a time"),
      (["--link", "up 2x"], "'2x' is no time"),
      (["--link", "sideways 2h"], "phase 1, 'sideways 2h', must be up or down"),
      (["--link", "up 1h, down, repeat"], "phase 2, 'down', needs a time"),
      (["--link", ""], "phase 1, '', must be up or down"),
      (["--module", "filter=on"], "--module filter: phase 1"),
      (["--generate", "often from leaf"], "'often' is no rate"),
      (["--generate", "0/s from leaf"], "'0/s' is no rate"),
      (["--generate", "1/s 1TB from leaf"], "no size up to 256KiB"),
      (["--generate", "1/s to leaf"], "'to' is no size"),
      (["--generate", "1/s from leaf with colour"], "'colour' must be a property"),
      (["--generate", "1/s from leaf body {"], "is no JSON"),
      (["--traffic", "t.jsonl"], "t.jsonl, line 2: at must be"),
      (["--traffic", "none.jsonl"], "none.jsonl"),
      (["--rate", "0"], "--rate must be"), (["--disk", "1MiB"], "--disk must be"),
    ]
  )
  func refusals(arguments: [String], message: String) async {
    var harness = CommandHarness()
    harness.files["m.json"] = Self.manifest
    harness.files["t.jsonl"] = #"{"at":1,"from":"a"}"# + "\n" + #"{"at":"noon","from":"a"}"#
    let outcome = await harness.run(
      ["edge", "simulate", "m.json", "--generate", "1/h from leaf"] + arguments
    )
    #expect(outcome.status != .success)
    #expect(outcome.errors.contains(message), "\(outcome.errors)")
  }

  @Test("a manifest that an edge would refuse is refused with its path")
  func badManifest() async {
    var harness = CommandHarness()
    harness.files["m.json"] = Self.manifest.replacing("FROM", with: "FRM")
    let outcome = await harness.run("edge", "simulate", "m.json", "--generate", "1/h from leaf")
    #expect(outcome.status == .usage)
    #expect(outcome.errors.contains("routes.up"), "\(outcome.errors)")
  }

  @Test("recorded events are messages again, and what the hub says of devices is not")
  func recorded() throws {
    let event = #"""
      {"enqueuedTime":"2026-01-01T00:00:01.500Z","annotations":{"iothub-connection-device-id":"gate",
       "iothub-connection-module-id":"filter","iothub-outputname":"out",
       "iothub-message-source":"Telemetry"},"properties":{"content-type":"application/json"},
       "applicationProperties":{"a":"1","b":null},"body":{"t":3},"bodyEncoding":"json"}
      """#
    let found = try #require(try TrafficLine.recorded(event, edge: "edge"))
    #expect(found.milliseconds == 1_767_225_601_500)
    #expect(found.message.sender == IdentityKey(deviceID: "edge", moduleID: "filter"))
    #expect(found.message.source == .output("out", module: "filter"))
    #expect(String(decoding: found.message.body, as: UTF8.self) == #"{"t":3}"#)
    #expect(
      String(decoding: found.message.bag, as: UTF8.self)
        == "$.ct=application%2Fjson&$.on=out&a=1&b"
    )
    let other = event.replacing("Telemetry", with: "twinChangeEvents")
    #expect(try TrafficLine.recorded(other, edge: "edge") == nil)
  }

  @Test("generators: rates, sizes, senders, properties, bodies")
  func generators() throws {
    let plain = try TrafficLine.generator("temp: 10/s 1KiB from leaf-1", edge: "e")
    #expect(plain.intervalMicroseconds == 100_000 && plain.message.body.count == 1024)
    #expect(plain.message.source == .device)
    let full = try TrafficLine.generator(
      #"6/m 64B from module filter/out with a=1 b=x body {"t": 1}"#,
      edge: "e"
    )
    #expect(full.intervalMicroseconds == 10_000_000)
    #expect(full.message.source == .output("out", module: "filter"))
    #expect(full.message.body.count == 64)
    #expect(try JSON.parse(full.message.body)["t"]?.int64Value == 1)
    #expect(
      try TrafficLine.generator("1/h from module m", edge: "e").message.source == .module("m")
    )
  }

  @Test("schedules")
  func schedules() throws {
    let link = try LinkSchedule(text: " up 2h, DOWN 30d ,up")
    #expect(link.boundedMilliseconds == 722 * 3_600_000)
    #expect(link.phases.map(\.isUp) == [true, false, true])
    #expect(try LinkSchedule(text: "down").isEverUp(from: 0) == false)
    #expect(try LinkSchedule(text: "up 1h, down 1h, repeat").isRepeated)
  }
}
