import HubContract
import JSONTree
import Testing

@Suite("Routing configuration (contract §9.1, §9.2)")
struct RoutingConfigurationTests {
  private static let whole = """
    {"endpoints":{
       "eventStreams":[{"name":"alarms"}],
       "storageContainers":[{"name":"cold","containerName":"archive","encoding":"json",
         "fileNameFormat":"{iothub}/{YYYY}-{MM}-{DD}/{HH}_{mm}/{partition}",
         "batchFrequencyInSeconds":60,"maxChunkSizeInBytes":10485760}],
       "webhooks":[{"name":"hook","uri":"https://h.example/in","maxEventsPerBatch":10,
         "secretName":"pager","secretHeader":"X-Key"}],
       "mqttTopics":[{"name":"bridge","host":"broker.example","topic":"site/{deviceId}",
         "userName":"hub","passwordName":"broker","payload":"Body"}]},
     "routes":[{"name":"hot","source":"DeviceMessages","condition":"level = 'hot'",
        "endpointNames":["alarms","Cold"],"isEnabled":false}],
     "fallbackRoute":{"name":"$fallback","source":"DeviceMessages","condition":"true",
        "endpointNames":["events"],"isEnabled":true},
     "enrichments":[{"key":"hub","value":"$iothubname","endpointNames":["events","hook"]}]}
    """

  @Test("every member is read, and written again as it was")
  func roundTrip() throws {
    let json = try JSON.parse(Self.whole)
    let read = try RoutingConfiguration(json: json)
    #expect(read.endpoints.map(\.name) == ["alarms", "cold", "hook", "bridge"])
    var storage = StorageEndpoint(container: "archive")
    storage.encoding = .json
    storage.batchSeconds = 60
    storage.batchBytes = 10_485_760
    storage.fileNameFormat = try #require(
      BlobNameFormat("{iothub}/{YYYY}-{MM}-{DD}/{HH}_{mm}/{partition}")
    )
    #expect(read.endpoints[1].kind == .storage(storage))
    #expect(read.routes.first?.isEnabled == false)
    #expect(read.fallback == .fallback)
    #expect(try RoutingConfiguration(json: read.json()) == read)
    var slotted = read
    #expect(slotted.assignSlots(keeping: RoutingConfiguration(), after: 0) == 4)
    #expect(slotted.endpoints.map(\.slot) == [1, 2, 3, 4])
    #expect(try RoutingConfiguration(json: slotted.json(asStored: true), asStored: true) == slotted)
    #expect(try RoutingConfiguration(json: slotted.json(asStored: true)) == read)
  }

  @Test("an empty object is the hub that nobody configured")
  func empty() throws {
    #expect(try RoutingConfiguration(json: [:]) == RoutingConfiguration())
  }

  private static let refusals: [(body: String, code: HubErrorCode, hint: String)] = [
    ("[]", .deserializationError, "The body"),
    (#"{"routes":{}}"#, .deserializationError, "routes"),
    (#"{"routes":[1]}"#, .deserializationError, "routes[0]"),
    (#"{"routes":[{"source":"DeviceMessages"}]}"#, .argumentNull, "routes[0].name"),
    (#"{"routes":[{"name":"r"}]}"#, .argumentNull, "routes[0].source"),
    (
      #"{"routes":[{"name":"r","source":"Invalid","endpointNames":["events"]}]}"#,
      .argumentInvalid, "routes[0].source"
    ),
    (
      #"{"routes":[{"name":"a b","source":"DeviceMessages","endpointNames":["events"]}]}"#,
      .argumentInvalid, "routes[0].name"
    ),
    (
      #"{"routes":[{"name":"r","source":"DeviceMessages","endpointNames":[]}]}"#,
      .argumentInvalid, "names no endpoint"
    ),
    (
      #"{"routes":[{"name":"r","source":"DeviceMessages","endpointNames":["x"]}]}"#,
      .argumentInvalid, "no such endpoint"
    ),
    (
      #"{"routes":[{"name":"r","source":"DeviceMessages","endpointNames":["events"]},"#
        + #"{"name":"R","source":"DeviceMessages","endpointNames":["events"]}]}"#,
      .argumentInvalid, "two routes"
    ),
    (#"{"fallbackRoute":{"condition":"false"}}"#, .argumentInvalid, "fallbackRoute.condition"),
    (#"{"fallbackRoute":{"source":"TwinChangeEvents"}}"#, .argumentInvalid, "fallbackRoute.source"),
    (#"{"endpoints":{"eventStreams":[{"name":"Events"}]}}"#, .argumentInvalid, "reserved"),
    (
      #"{"endpoints":{"eventStreams":[{"name":"a"}],"mqttTopics":[{"name":"A","host":"h","topic":"t"}]}}"#,
      .argumentInvalid, "two endpoints"
    ),
    (
      #"{"endpoints":{"mqttTopics":[{"name":"a","host":"h","topic":"t/#"}]}}"#,
      .argumentInvalid, "mqttTopics[0].topic"
    ),
    (#"{"endpoints":{"mqttTopics":[{"name":"a","topic":"t"}]}}"#, .argumentNull, "host"),
    (
      #"{"endpoints":{"mqttTopics":[{"name":"a","host":"mqtt://h","topic":"t"}]}}"#,
      .argumentInvalid, "mqttTopics[0].host"
    ),
    (
      #"{"endpoints":{"mqttTopics":[{"name":"a","host":"cafe:1883","topic":"t"}]}}"#,
      .argumentInvalid, "mqttTopics[0].host"
    ),
    (
      #"{"endpoints":{"mqttTopics":[{"name":"a","host":"h","port":0,"topic":"t"}]}}"#,
      .argumentInvalid, "mqttTopics[0].port"
    ),
    (
      #"{"endpoints":{"mqttTopics":[{"name":"a","host":"h","topic":"t","passwordName":"p"}]}}"#,
      .argumentInvalid, "userName"
    ),
    (
      #"{"endpoints":{"mqttTopics":[{"name":"a","host":"h","topic":"t","caName":"../x"}]}}"#,
      .argumentInvalid, "caName"
    ),
    (
      #"{"endpoints":{"mqttTopics":[{"name":"a","host":"h","topic":"t","useTls":false,"caName":"x"}]}}"#,
      .argumentInvalid, "useTls"
    ),
    (
      #"{"endpoints":{"mqttTopics":[{"name":"a","host":"h","topic":"t","payload":"xml"}]}}"#,
      .argumentInvalid, "payload"
    ),
    (
      #"{"endpoints":{"mqttTopics":[{"name":"a","host":"h","topic":"t","clientId":"a\u0000"}]}}"#,
      .argumentInvalid, "clientId"
    ),
    (
      #"{"endpoints":{"mqttTopics":[{"name":"a","host":"h","topic":"t","maxEventsInFlight":101}]}}"#,
      .argumentInvalid, "maxEventsInFlight"
    ),
    (
      #"{"endpoints":{"webhooks":[{"name":"a","uri":"ftp://x"}]}}"#,
      .argumentInvalid, "webhooks[0].uri"
    ),
    (
      #"{"endpoints":{"webhooks":[{"name":"a","uri":"https://me:word@x/"}]}}"#,
      .argumentInvalid, "webhooks[0].uri"
    ),
    (
      #"{"endpoints":{"webhooks":[{"name":"a","uri":"https://x","secretName":"../tls/key"}]}}"#,
      .argumentInvalid, "webhooks[0].secretName"
    ),
    (
      #"{"endpoints":{"webhooks":[{"name":"a","uri":"https://x","secretName":".."}]}}"#,
      .argumentInvalid, "webhooks[0].secretName"
    ),
    (
      #"{"endpoints":{"webhooks":[{"name":"a","uri":"https://x","secretHeader":"X-Key"}]}}"#,
      .argumentInvalid, "webhooks[0].secretHeader"
    ),
    (
      #"{"endpoints":{"webhooks":[{"name":"a","uri":"https://x","secretName":"s","#
        + #""secretHeader":"Host"}]}}"#,
      .argumentInvalid, "webhooks[0].secretHeader"
    ),
    (
      #"{"endpoints":{"webhooks":[{"name":"a","uri":"https://x","secretName":"s","#
        + #""secretHeader":"a: b"}]}}"#,
      .argumentInvalid, "webhooks[0].secretHeader"
    ),
    (
      #"{"endpoints":{"webhooks":[{"name":"a","uri":"http://x","maxEventsPerBatch":101}]}}"#,
      .argumentInvalid, "maxEventsPerBatch"
    ),
    (
      #"{"endpoints":{"storageContainers":[{"name":"a","containerName":"../x"}]}}"#,
      .argumentInvalid, "containerName"
    ),
    (
      #"{"endpoints":{"storageContainers":[{"name":"a","containerName":"abc","#
        + #""batchFrequencyInSeconds":59}]}}"#,
      .argumentInvalid, "batchFrequencyInSeconds"
    ),
    (
      #"{"endpoints":{"storageContainers":[{"name":"a","containerName":"abc","#
        + #""fileNameFormat":"{iothub}"}]}}"#,
      .argumentInvalid, "fileNameFormat"
    ),
    (
      #"{"enrichments":[{"key":"a b","value":"v","endpointNames":["events"]}]}"#,
      .argumentInvalid, "enrichments[0].key"
    ),
    (
      #"{"enrichments":[{"key":"a","value":"v","endpointNames":["events"]},"#
        + #"{"key":"a","value":"w","endpointNames":["EVENTS"]}]}"#,
      .argumentInvalid, "enriched twice"
    ),
  ]

  @Test("what breaks a rule is refused with the member's name", arguments: refusals.indices)
  func refusal(_ index: Int) throws {
    let row = Self.refusals[index]
    let json = try JSON.parse(row.body)
    do throws(HubError) {
      _ = try RoutingConfiguration(json: json)
      Issue.record("accepted: \(row.body)")
    } catch {
      #expect(error.code == row.code && error.message.contains(row.hint), "\(error)")
    }
  }

  @Test("100 routes, 10 endpoints and 10 enrichments are allowed, one more is not")
  func limits() throws {
    func body(routes: Int, endpoints: Int, enrichments: Int) -> JSONValue {
      [
        "endpoints": [
          "eventStreams": .array((0..<endpoints).map { ["name": .string("e\($0)")] })
        ],
        "routes": .array(
          (0..<routes).map {
            [
              "name": .string("r\($0)"), "source": "DeviceMessages", "endpointNames": ["events"],
            ]
          }
        ),
        "enrichments": .array(
          (0..<enrichments).map {
            ["key": .string("k\($0)"), "value": "v", "endpointNames": ["events"]]
          }
        ),
      ]
    }
    #expect(throws: Never.self) {
      _ = try RoutingConfiguration(json: body(routes: 100, endpoints: 10, enrichments: 10))
    }
    for more in [(101, 0, 0), (0, 11, 0), (0, 0, 11)] {
      #expect(throws: HubError.self) {
        _ = try RoutingConfiguration(
          json: body(routes: more.0, endpoints: more.1, enrichments: more.2)
        )
      }
    }
  }

  @Test("an endpoint keeps its slot; a slot that was given up is used again as late as possible")
  func slots() {
    func streams(_ names: String...) -> RoutingConfiguration {
      var configuration = RoutingConfiguration()
      configuration.endpoints = names.map { RoutingEndpoint(name: $0, kind: .eventStream) }
      return configuration
    }
    var first = streams("a", "b")
    var last = first.assignSlots(keeping: RoutingConfiguration(), after: 0)
    var second = streams("B", "c")
    last = second.assignSlots(keeping: first, after: last)
    #expect(second.endpoints.map(\.slot) == [2, 3])
    // Another kind of endpoint under the same name is another endpoint.
    var third = streams("B", "c")
    third.endpoints[1].kind = .webhook(WebhookEndpoint(uri: "https://h.example/"))
    last = third.assignSlots(keeping: second, after: last)
    #expect(third.endpoints.map(\.slot) == [2, 4])
    // Round the end: 31, then 1.
    last = 30
    var fourth = streams("B", "x", "y", "z")
    last = fourth.assignSlots(keeping: third, after: last)
    #expect(fourth.endpoints.map(\.slot) == [2, 31, 1, 3] && last == 3)
  }

  @Test("an endpoint that is delivered to and goes drains in its slot, which nobody else gets")
  func draining() throws {
    let kind = RoutingEndpoint.Kind.webhook(WebhookEndpoint(uri: "https://h.example/"))
    func hooks(_ names: String...) -> RoutingConfiguration {
      var configuration = RoutingConfiguration()
      configuration.endpoints = names.map { RoutingEndpoint(name: $0, kind: kind) }
      return configuration
    }
    var first = hooks("a", "b")
    first.endpoints.append(RoutingEndpoint(name: "stream", kind: .eventStream))
    _ = first.assignSlots(keeping: RoutingConfiguration(), after: 0)
    #expect(first.draining.isEmpty)
    var second = hooks("A")
    _ = second.assignSlots(keeping: first, after: 3)
    // A stream's events are where they are read.
    #expect(second.draining.map(\.name) == ["b"] && second.draining.map(\.slot) == [2])
    // The same name again, while it drains: another slot, though the next one is its.
    var third = hooks("b", "A")
    _ = third.assignSlots(keeping: second, after: 1)
    #expect(third.endpoints.map(\.slot) == [3, 1] && third.draining == second.draining)
    // The owner is shown it without its slot, and can't write it.
    let shown = third.json()
    let drains = shown["drainingEndpoints"]?["webhooks"]?.arrayValue ?? []
    #expect(drains.map { $0["name"] } == ["b"] && drains[0]["slot"] == nil)
    #expect(try RoutingConfiguration(json: shown).draining.isEmpty)
    #expect(try RoutingConfiguration(json: third.json(asStored: true), asStored: true) == third)
  }

  @Test("an endpoint that finds every slot in use gets none")
  func noSlot() {
    let kind = RoutingEndpoint.Kind.webhook(WebhookEndpoint(uri: "https://h.example/"))
    var full = RoutingConfiguration()
    full.draining = EventDestinations.slots.map { slot in
      var endpoint = RoutingEndpoint(name: "e", kind: kind)
      endpoint.slot = slot
      return endpoint
    }
    var next = RoutingConfiguration()
    next.endpoints = [RoutingEndpoint(name: "e", kind: kind)]
    _ = next.assignSlots(keeping: full, after: 5)
    #expect(next.endpoints[0].slot == 0 && next.draining == full.draining)
  }
}

@Suite("Topics of MQTT endpoints")
struct MQTTTopicFormatTests {
  @Test("placeholders become what stands for them, with nothing that topics may not hold")
  func topics() throws {
    let rows: [(format: String, topic: String)] = [
      ("fixed", "fixed"), ("a/{deviceId}", "a/d%231%2F"), ("{deviceId}", "d%231%2F"),
      (
        "{iothub}/{partition}/{source}/{deviceId}/{moduleId}/x", "hub.a/3/Telemetry/d%231%2F/m%24/x"
      ),
      ("{deviceId}{deviceId}é", "d%231%2Fd%231%2Fé"),
    ]
    for row in rows {
      let format = try #require(MQTTTopicFormat(row.format))
      let topic = format.topic(
        hub: "hub.a",
        sender: IdentityKey(deviceID: "d#1/", moduleID: "m$"),
        partition: 3,
        source: .telemetry
      )
      #expect(topic == row.topic && format.text == row.format)
    }
    let device = try #require(MQTTTopicFormat("{deviceId}/{moduleId}")).topic(
      hub: "h",
      sender: IdentityKey(deviceID: "d"),
      partition: 0,
      source: .twinChange
    )
    #expect(device == "d/")
  }

  @Test(
    "templates that make no topics are refused",
    arguments: [
      "", "a/#", "+/a", "$SYS/a", "a\u{0}", "a\n", "a\u{7F}", "{", "}", "a}", "{}", "{device}",
      "{deviceId", "{deviceId}}", "{{deviceId}}", String(repeating: "a", count: 257),
    ]
  )
  func refusals(_ text: String) { #expect(MQTTTopicFormat(text) == nil) }
}

@Suite("Names of storage files (contract §9.1)")
struct BlobNameFormatTests {
  @Test(
    "fields are filled in, in UTC",
    arguments: [
      (BlobNameFormat.standardText, "hub1/3/2026/02/09/04/05"),
      ("{mm}/{HH}/{DD}/{MM}/{YYYY}/{partition}/{iothub}", "05/04/09/02/2026/3/hub1"),
      ("y={YYYY}/{MM}{DD}-{HH}_{mm}.{partition}/{iothub}.x", "y=2026/0209-04_05.3/hub1.x"),
    ]
  )
  func rendering(_ template: String, _ name: String) throws {
    let format = try #require(BlobNameFormat(template))
    let time = try #require(Timestamp(iso8601: "2026-02-09T06:05:59.9+02:00"))
    #expect(format.name(hub: "hub1", partition: 3, time: time) == name)
    #expect(format.text == template)
  }

  @Test("the standard format is what its text says")
  func standard() { #expect(BlobNameFormat(BlobNameFormat.standardText) == .standard) }

  @Test(
    "a template without every field once, or with a path that leads elsewhere, is refused",
    arguments: [
      "", "{iothub}", "{iothub}/{partition}/{YYYY}/{MM}/{DD}/{HH}",
      BlobNameFormat.standardText + "/{mm}", "/" + BlobNameFormat.standardText,
      BlobNameFormat.standardText + "/", "../" + BlobNameFormat.standardText,
      "a//" + BlobNameFormat.standardText, BlobNameFormat.standardText + "{",
      "é/"
        + BlobNameFormat.standardText,
      BlobNameFormat.standardText + "/{ss}", "a\\b" + BlobNameFormat.standardText,
      String(repeating: "a", count: 257) + BlobNameFormat.standardText,
    ]
  )
  func refusal(_ template: String) { #expect(BlobNameFormat(template) == nil) }
}
