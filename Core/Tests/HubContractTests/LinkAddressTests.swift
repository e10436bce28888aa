import HubContract
import Testing

@Suite("Addresses of AMQP links (contract §4, §8)")
struct LinkAddressTests {
  static let good: [(String, LinkAddress)] = [
    ("$cbs", .claimsBasedSecurity), ("$CBS", .claimsBasedSecurity), ("$management", .management),
    ("hub/$management", .management), ("amqps://h/messages/devicebound", .cloudToDevice),
    ("/messages/deviceBound", .cloudToDevice), ("/messages/serviceBound/feedback", .feedback),
    ("amqps://h:5671/messages/servicebound/feedback/", .feedback),
    ("/messages/serviceBound/filenotifications", .fileNotifications),
    ("/messages/serviceBound/fileUploadNotifications", .fileNotifications),
    (
      "amqps://h/hub/ConsumerGroups/$Default/Partitions/0",
      .events(entity: "hub", consumerGroup: "$Default", partition: "0")
    ),
    (
      "messages/events/consumergroups/g/partitions/3",
      .events(entity: "messages/events", consumerGroup: "g", partition: "3")
    ),
    ("hub", .stream(entity: "hub", partition: nil)),
    ("amqps://h/hub/Partitions/1", .stream(entity: "hub", partition: "1")),
    ("/devices/d1/messages/events", .telemetry(IdentityKey(deviceID: "d1"))),
    ("amqps://h/devices/d%231/messages/events", .telemetry(IdentityKey(deviceID: "d#1"))),
    (
      "/devices/d/modules/m/messages/events",
      .telemetry(IdentityKey(deviceID: "d", moduleID: "m"))
    ),
    ("/devices/D/messages/devicebound", .deviceBound(IdentityKey(deviceID: "D"))),
    ("/devices/d/methods/deviceBound", .methods(IdentityKey(deviceID: "d"))),
    (
      "/devices/d/modules/m/methods/deviceBound",
      .methods(IdentityKey(deviceID: "d", moduleID: "m"))
    ),
    ("/devices/d/twin", .twin(IdentityKey(deviceID: "d"))),
    ("/devices/d/modules/m/twin", .twin(IdentityKey(deviceID: "d", moduleID: "m"))),
    // A device called as the word that stands before modules.
    ("/devices/modules/twin", .twin(IdentityKey(deviceID: "modules"))),
  ]

  @Test("what the stock clients write is understood", arguments: good.indices)
  func reads(index: Int) {
    let (text, address) = Self.good[index]
    #expect(LinkAddress(text) == address)
  }

  @Test(
    "anything else names nothing",
    arguments: [
      "", "/", "amqps://host", "/devices/d", "/devices/d/other", "/devices/a b/twin",
      "/devices/d%/twin", "/devices/d/modules/m", "a/b/c", "/devices/d/modules//twin",
      String(repeating: "a", count: 1_025),
    ]
  )
  func refuses(text: String) { #expect(LinkAddress(text) == nil) }

  @Test("a registration has its scope and its ID, as they were written")
  func registration() throws {
    let name = try #require(ProvisioningUserName("0ne1/registrations/Press-1".utf8))
    let address = LinkAddress("amqps://h/0ne1/registrations/Press-1")
    #expect(address == .registration(name))
    #expect(address?.resourceSegments == ["0ne1", "registrations", "Press-1"])
  }

  @Test("each has the path that a token must cover")
  func resources() {
    #expect(
      LinkAddress("hub/ConsumerGroups/G/Partitions/0")?.resourceSegments
        == ["hub", "consumergroups", "G", "partitions", "0"]
    )
    #expect(
      LinkAddress("/devices/d/modules/m/twin")?.resourceSegments
        == ["devices", "d", "modules", "m"]
    )
    #expect(LinkAddress("$cbs")?.resourceSegments == [])
  }
}

@Suite("Selectors of event positions (contract §8.3)")
struct EventSelectorTests {
  static let good: [(String, EventSelector)] = [
    ("amqp.annotation.x-opt-offset > '-1'", .earliest),
    ("amqp.annotation.x-opt-offset > '@latest'", .latest(isInclusive: false)),
    ("amqp.annotation.x-opt-offset >= '@latest'", .latest(isInclusive: true)),
    ("amqp.annotation.x-opt-offset > '4352'", .offset(4_352, isInclusive: false)),
    ("amqp.annotation.x-opt-offset >= '4352'", .offset(4_352, isInclusive: true)),
    ("amqp.annotation.x-opt-sequence-number > '17'", .sequence(17, isInclusive: false)),
    ("amqp.annotation.x-opt-sequence-number >= '-1'", .sequence(-1, isInclusive: true)),
    (
      "amqp.annotation.x-opt-enqueued-time > '1700000000000'",
      .enqueuedTime(1_700_000_000_000, isInclusive: false)
    ),
    ("amqp.annotation.x-opt-enqueuedtimeutc > 17", .enqueuedTime(17, isInclusive: false)),
    ("AMQP.Annotation.X-Opt-Offset>'5'", .offset(5, isInclusive: false)),
  ]

  @Test("each position has its selector", arguments: good.indices)
  func reads(index: Int) {
    let (text, selector) = Self.good[index]
    #expect(EventSelector(text) == selector)
  }

  @Test(
    "anything else is refused",
    arguments: [
      "", "x", "amqp.annotation.x-opt-offset", "amqp.annotation.x-opt-offset > 'x'",
      "amqp.annotation.x-opt-offset > '-2'", "amqp.annotation.x-opt-offset < '1'",
      "amqp.annotation.other > '1'", "amqp.annotation.x-opt-sequence-number > '-2'",
      "amqp.annotation.x-opt-sequence-number > '99999999999999999999'",
      "amqp.annotation.x-opt-offset > ''", "amqp.annotation.x-opt-enqueued-time > '+1'",
      "amqp.annotation.x-opt-offset > '1' OR 1 = 1",
    ]
  )
  func refuses(text: String) { #expect(EventSelector(text) == nil) }
}
