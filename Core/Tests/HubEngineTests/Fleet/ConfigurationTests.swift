import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

@Suite("Configurations of devices and modules (contract §7.8)")
struct ConfigurationTests {
  private let setA = #"{"deviceContent":{"properties.desired.a":{"x":1}}}"#
  private let setB = #"{"deviceContent":{"properties.desired.b":2}}"#

  private func hub() throws -> TestHub {
    var hub = TestHub()
    for id in ["d1", "d2", "d3"] { _ = try hub.device(id) }
    try hub.patch(IdentityKey(deviceID: "d1"), #"{"tags":{"site":"north"}}"#)
    return hub
  }

  @Test("creation, ETags and refusals of PUT and DELETE")
  func lifecycle() throws {
    var hub = try hub()
    let first = try hub.configure("a", setA)
    #expect(first.etag == "MQ==")
    func put(_ id: String, _ content: String?, _ condition: ETagCondition) -> HubErrorCode? {
      code { () throws(HubError) in
        var body: JSONObject = ["targetCondition": "*"]
        body["content"] = content.flatMap { try? json($0) }
        _ = try hub.engine.putConfiguration(
          ConfigurationRequest(id: id, body: .object(body)),
          ifMatch: condition,
          now: hub.now
        )
      }
    }
    #expect(put("a", setA, .absent) == .configurationAlreadyExists)
    #expect(put("b", setA, .any) == .configurationNotFound)
    #expect(put("a", setA, .exactly("Mg==")) == .preconditionFailed)
    #expect(put("a", nil, .any) == .invalidConfigurationContent)
    #expect(put("a", setA, .exactly("MQ==")) == nil)
    #expect(try hub.engine.view.configuration("a").etag == "Mg==")
    #expect(
      code { () throws(HubError) in
        try hub.engine.deleteConfiguration("a", ifMatch: .exactly("MQ=="))
      } == .preconditionFailed
    )
    try hub.engine.deleteConfiguration("a", ifMatch: .any)
    #expect(
      code { () throws(HubError) in try hub.engine.deleteConfiguration("a", ifMatch: .absent) }
        == .configurationNotFound
    )
    #expect(
      code { () throws(HubError) in _ = try hub.engine.view.configuration("a") }
        == .configurationNotFound
    )
  }

  @Test(
    "a condition, metric or content that cannot work is refused",
    arguments: [
      (
        #"{"deviceContent":{}}"#, "tags.a = = 1", "",
        HubErrorCode.invalidConfigurationTargetCondition
      ),
      (
        #"{"deviceContent":{}}"#, "FROM devices.modules WHERE a = 1", "",
        .invalidConfigurationTargetCondition
      ),
      (#"{"moduleContent":{}}"#, "*", "", .invalidConfigurationTargetCondition),
      (#"{"deviceContent":{}}"#, "*", "SELECT", .invalidConfigurationCustomMetricsQuery),
      (
        #"{"deviceContent":{}}"#, "*", "SELECT * FROM devices.jobs",
        .invalidConfigurationCustomMetricsQuery
      ),
      (#"{"deviceContent":{"properties.desired.a$b":1}}"#, "*", "", .invalidConfigurationContent),
      (
        #"{"deviceContent":{"properties.desired.a":9007199254740993}}"#, "*", "",
        .invalidConfigurationContent
      ),
    ] as [(String, String, String, HubErrorCode)]
  )
  func refusals(content: String, target: String, metric: String, expected: HubErrorCode) throws {
    var hub = try hub()
    let before = hub.engine.storage.tables
    let queries: JSONObject = metric.isEmpty ? [:] : ["m": .string(metric)]
    let request = ConfigurationRequest(
      id: "a",
      content: try ConfigurationContent(json: json(content)),
      targetCondition: target,
      metricQueries: queries
    )
    #expect(
      code { () throws(HubError) in
        _ = try hub.engine.putConfiguration(request, ifMatch: .absent, now: hub.now)
      } == expected
    )
    #expect(hub.engine.storage.tables == before)
  }

  @Test("the hundred-and-first configuration and the sixth metric are refused")
  func limits() throws {
    var quotas = Quotas()
    quotas.configurations = 1
    var hub = TestHub(quotas: quotas)
    let content = try ConfigurationContent(json: json(setA))
    var metrics = JSONObject()
    for index in 0..<6 { metrics["m\(index)"] = "SELECT deviceId FROM devices" }
    func put(_ request: ConfigurationRequest) -> HubErrorCode? {
      code { () throws(HubError) in
        _ = try hub.engine.putConfiguration(request, ifMatch: .absent, now: hub.now)
      }
    }
    #expect(
      put(ConfigurationRequest(id: "a", content: content, metricQueries: metrics))
        == .invalidConfigurationCustomMetricsQuery
    )
    #expect(put(ConfigurationRequest(id: "a", content: content)) == nil)
    #expect(
      put(ConfigurationRequest(id: "b", content: content)) == .configurationCountLimitExceeded
    )
  }

  @Test("it is applied where the condition holds, tells the device, and shows in the twin")
  func applied() throws {
    var hub = try hub()
    _ = try hub.engine.putConfiguration(
      ConfigurationRequest(
        id: "a",
        content: ConfigurationContent(json: json(setA)),
        targetCondition: "tags.site = 'north'"
      ),
      ifMatch: .absent,
      now: hub.now
    )
    _ = hub.effects()
    while try hub.engine.sweepConfigurations(
      limit: 1,
      facts: { _ in ConnectionFacts() },
      now: hub.now
    ) {}
    let key = IdentityKey(deviceID: "d1")
    let body = [UInt8](#"{"a":{"x":1},"$version":2}"#.utf8)
    #expect(
      hub.effects() == [
        .desiredChanged(DesiredChange(key: key, version: 2, body: body, isComplete: false))
      ]
    )
    #expect(try hub.desired("d1") == json(#"{"a":{"x":1}}"#))
    #expect(try hub.configurations("d1") == ["a": "Applied"])
    #expect(try hub.desired("d2") == json("{}"))
    #expect(try hub.twin(IdentityKey(deviceID: "d2"))["configurations"] == nil)
    #expect(
      try hub.rows("SELECT deviceId FROM devices WHERE configurations.[[a]].status = 'Applied'")
        == [["deviceId": "d1"]]
    )
  }

  @Test("an empty condition targets nothing, * everything")
  func conditions() throws {
    var hub = try hub()
    try hub.configure("a", setA, target: " ")
    #expect(try hub.metrics("a") == ["targetedCount": 0, "appliedCount": 0])
    try hub.configure("b", setB)
    #expect(try hub.metrics("b") == ["targetedCount": 3, "appliedCount": 3])
  }

  @Test("a change of the twin brings and takes it, in the same transaction")
  func followsTwin() throws {
    var hub = try hub()
    try hub.configure("a", setA, target: "tags.site = 'north'")
    let key = IdentityKey(deviceID: "d2")
    try hub.patch(key, #"{"tags":{"site":"north"},"properties":{"desired":{"own":1}}}"#)
    #expect(try hub.desired("d2") == json(#"{"own":1,"a":{"x":1}}"#))
    try hub.patch(key, #"{"tags":{"site":null}}"#)
    #expect(try hub.desired("d2") == json(#"{"own":1}"#))
    #expect(try hub.configurations("d2") == [:])
    #expect(hub.engine.storage.tables.configurationStates[key] == nil)
  }

  @Test("a reported property and a new device count too")
  func otherTriggers() throws {
    var hub = try hub()
    try hub.configure("a", setA, target: "properties.reported.ready = true OR deviceId = 'd9'")
    _ = try hub.engine.patchReported(
      IdentityKey(deviceID: "d3"),
      json(#"{"ready":true}"#),
      now: hub.now
    )
    _ = try hub.device("d9")
    try hub.commit()
    #expect(try hub.configurations("d3") == ["a": "Applied"])
    #expect(try hub.configurations("d9") == ["a": "Applied"])
  }

  @Test("different paths all apply; of one path the higher priority, then the newer one")
  func priorities() throws {
    var hub = try hub()
    try hub.configure("low", #"{"deviceContent":{"properties.desired.a":1}}"#, priority: 1)
    try hub.configure("high", #"{"deviceContent":{"properties.desired.a":2}}"#, priority: 5)
    try hub.configure("other", setB, priority: 3)
    #expect(try hub.desired("d1") == json(#"{"a":2,"b":2}"#))
    #expect(
      try hub.configurations("d1") == ["low": "Targeted", "other": "Applied", "high": "Applied"]
    )
    try hub.configure("newer", #"{"deviceContent":{"properties.desired.a":3}}"#, priority: 5)
    #expect(try hub.desired("d1") == json(#"{"a":3,"b":2}"#))
    #expect(try hub.configurations("d1")["high"] == "Targeted")
    // One that leaves the target gives way to the next.
    let content = #"{"deviceContent":{"properties.desired.a":3}}"#
    try hub.configure("newer", content, target: "", priority: 5, ifMatch: .any)
    #expect(try hub.desired("d1") == json(#"{"a":2,"b":2}"#))
    #expect(try hub.metrics("low") == ["targetedCount": 3, "appliedCount": 0])
  }

  @Test("deleting it leaves its values, and the next one applies")
  func deletion() throws {
    var hub = try hub()
    try hub.configure("a", setA, priority: 2)
    try hub.configure("b", setB, priority: 1)
    try hub.engine.deleteConfiguration("b", ifMatch: .any)
    try hub.sweep()
    #expect(try hub.desired("d1") == json(#"{"a":{"x":1},"b":2}"#))
    #expect(try hub.configurations("d1") == ["a": "Applied"])
    try hub.configure("c", #"{"deviceContent":{"properties.desired.a.x":9}}"#, priority: 1)
    #expect(try hub.configurations("d1") == ["c": "Targeted", "a": "Applied"])
    try hub.engine.deleteConfiguration("a", ifMatch: .any)
    try hub.sweep()
    #expect(try hub.desired("d1")?["a"] == json(#"{"x":9}"#))
  }

  @Test("one of the same ID made anew is another one: it applies, and takes nothing away")
  func madeAnew() throws {
    var hub = try hub()
    try hub.configure("a", setA)
    try hub.engine.deleteConfiguration("a", ifMatch: .any)
    try hub.configure("a", setB)
    #expect(try hub.desired("d1") == json(#"{"a":{"x":1},"b":2}"#))
  }

  @Test("a person's change stays until the configuration is updated")
  func manualChange() throws {
    var hub = try hub()
    try hub.configure("a", setA)
    try hub.patch(IdentityKey(deviceID: "d1"), #"{"properties":{"desired":{"a":{"x":7,"y":8}}}}"#)
    try hub.sweep()
    #expect(try hub.desired("d1") == json(#"{"a":{"x":7,"y":8}}"#))
    try hub.configure("a", setA, ifMatch: .any)
    #expect(try hub.desired("d1") == json(#"{"a":{"x":1}}"#))
  }

  @Test("a changed content is ignored, and said to be")
  func immutableContent() throws {
    var hub = try hub()
    try hub.configure("a", setA)
    for (content, isIgnored) in [(setA, false), (setB, true)] {
      let (configuration, ignored) = try hub.engine.putConfiguration(
        ConfigurationRequest(
          id: "a",
          content: ConfigurationContent(json: json(content)),
          targetCondition: "*",
          priority: 4
        ),
        ifMatch: .any,
        now: hub.now
      )
      #expect(ignored == isIgnored)
      #expect(try configuration.content == ConfigurationContent(json: json(setA)))
      #expect(configuration.priority == 4)
    }
  }

  @Test("a twin that cannot hold it keeps what it has and is tried again")
  func tooLarge() throws {
    var hub = try hub()
    let key = IdentityKey(deviceID: "d1")
    let filler = String(repeating: "f", count: 4096)
    let own = (0..<7).map { "\"f\($0)\":\"\(filler)\"" }.joined(separator: ",")
    try hub.patch(key, #"{"properties":{"desired":{\#(own)}}}"#)
    let big = #"{"deviceContent":{"properties.desired.g":"\#(filler)"}}"#
    try hub.configure("big", big)
    #expect(try hub.configurations("d1") == ["big": "Targeted"])
    #expect(try hub.desired("d1")?["g"] == nil)
    #expect(try hub.configurations("d2") == ["big": "Applied"])
    try hub.patch(key, #"{"properties":{"desired":{"f0":null}}}"#)
    #expect(try hub.configurations("d1") == ["big": "Applied"])
    #expect(try hub.desired("d1")?["g"]?.stringValue == filler)
  }

  @Test("a condition on what it sets itself comes to rest")
  func selfReference() throws {
    var hub = try hub()
    try hub.configure(
      "a",
      setB,
      target: "NOT properties.desired.b = 2 OR NOT is_defined(properties.desired.b)"
    )
    let version = hub.engine.storage.tables.twins[IdentityKey(deviceID: "d1")]?.desired.version
    #expect(version == 2)
  }

  @Test("module content goes to the modules that the condition names")
  func modules() throws {
    var hub = try hub()
    _ = try hub.module("d1", "m")
    _ = try hub.module("d1", "n")
    try hub.configure(
      "a",
      #"{"moduleContent":{"properties.desired.a":1}}"#,
      target: "FROM devices.modules WHERE moduleId = 'm'"
    )
    #expect(try hub.desired("d1", "m") == json(#"{"a":1}"#))
    #expect(try hub.desired("d1", "n") == json("{}"))
    #expect(try hub.desired("d1") == json("{}"))
    #expect(try hub.configurations("d1", "m") == ["a": "Applied"])
    #expect(try hub.metrics("a") == ["targetedCount": 1, "appliedCount": 1])
  }

  @Test("custom metrics count the rows of their queries")
  func customMetrics() throws {
    var hub = try hub()
    let request = ConfigurationRequest(
      id: "a",
      content: try ConfigurationContent(json: json(setA)),
      targetCondition: "*",
      metricQueries: [
        "north": "SELECT deviceId FROM devices WHERE tags.site = 'north'",
        "groups": "SELECT tags.site, COUNT() FROM devices GROUP BY tags.site",
        "top": "SELECT TOP 2 deviceId FROM devices",
      ]
    )
    _ = try hub.engine.putConfiguration(request, ifMatch: .absent, now: hub.now)
    try hub.sweep()
    #expect(
      try hub.metrics("a")
        == ["targetedCount": 3, "appliedCount": 3, "north": 1, "groups": 2, "top": 2]
    )
  }

  @Test("testQueries says what is wrong with each, and accepts *")
  func testQueries() {
    let faults = ConfigurationQueryFaults(
      targetCondition: "tags.a =",
      metricQueries: [("good", "SELECT deviceId FROM devices"), ("bad", "SELECT")]
    )
    #expect(faults.targetCondition != nil)
    #expect(faults.metricQueries.map(\.name) == ["bad"])
    let good = ConfigurationQueryFaults(targetCondition: "*", metricQueries: [])
    #expect(good.targetCondition == nil)
    #expect(good.metricQueries.isEmpty)
  }
}
