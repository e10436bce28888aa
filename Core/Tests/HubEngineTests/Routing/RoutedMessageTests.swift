import ByteIO
import HubContract
import HubEngine
import JSONTree
import Testing

@Suite("What an endpoint gets")
struct RoutedMessageTests {
  private static let place = EventDestinations(slot: 2)

  private static func message(
    bag: String = "level=hot&flag&$.mid=m-1&$.ct=application/json&$.ce=utf-8",
    body: String = #"{"t":21.50}"#,
    source: EventSource = .telemetry,
    at destination: EventDestinations = place
  ) throws -> RoutedMessage? {
    var routing = EventRouting(place)
    routing.enrich("hub", "h1", at: place)
    var writer = ByteWriter()
    let bag = [UInt8](bag.utf8)
    let body = [UInt8](body.utf8)
    EventEncoder.append(
      stamp: EventStamp(
        identity: IdentityKey(deviceID: "d1", moduleID: "m1"),
        authMethod: source == .telemetry
          ? ConnectionAuthMethod(scope: .module, type: .sas) : nil,
        generationID: source == .telemetry ? "637" : nil
      ),
      source: source,
      routing: routing,
      bag: bag.span,
      body: body.span,
      to: &writer
    )
    return RoutedMessage(
      try EventView(writer.bytes.span),
      at: destination,
      partition: 3,
      sequence: 42,
      enqueuedTime: Timestamp(seconds: 1)
    )
  }

  @Test("a message of other endpoints is none")
  func destination() throws {
    #expect(try Self.message(at: .events) == nil)
    #expect(try Self.message(at: EventDestinations(slot: 1)) == nil)
  }

  @Test("the line of a JSON file")
  func jsonLine() throws {
    let line = try #require(try Self.message()).jsonLine
    #expect(
      String(decoding: line, as: UTF8.self) == #"""
        {"EnqueuedTimeUtc":"1970-01-01T00:00:01.0000000Z",\#
        "Properties":{"level":"hot","flag":"","hub":"h1"},\#
        "SystemProperties":{"messageId":"m-1","connectionDeviceId":"d1",\#
        "connectionModuleId":"m1","connectionAuthMethod":\#
        "{\"scope\":\"module\",\"type\":\"sas\",\"issuer\":\"iothub\",\"acceptingIpFilterRule\":null}",\#
        "connectionDeviceGenerationId":"637","contentType":"application/json",\#
        "contentEncoding":"utf-8","enqueuedTime":"1970-01-01T00:00:01.0000000Z"},\#
        "Body":{"t":21.50}}

        """#
    )
  }

  @Test(
    "a body that is not declared as JSON in UTF-8, or is none, is base64",
    arguments: [
      ("", "abc"), ("$.ct=application/json&$.ce=utf-16", "abc"),
      ("$.ct=application/json&$.ce=utf-8", "abc"),
    ]
  )
  func base64Body(_ bag: String, _ body: String) throws {
    let line = try #require(try Self.message(bag: bag, body: body)).jsonLine
    #expect(try JSON.parse(line.dropLast())["Body"] == "YWJj")
  }

  @Test("the record of an Avro file")
  func avroRecord() throws {
    let record = try #require(try Self.message(bag: "a=b", body: "xyz", source: .twinChange))
      .avroRecord
    func text(_ text: String) -> [UInt8] { [UInt8(text.utf8.count * 2)] + [UInt8](text.utf8) }
    let time = "1970-01-01T00:00:01.0000000Z"
    var expected = text(time)
    expected += [4] + text("a") + text("b") + text("hub") + text("h1") + [0]
    expected += [6] + text("connectionDeviceId") + text("d1")
    expected += text("connectionModuleId") + text("m1") + text("enqueuedTime") + text(time) + [0]
    expected += [2, 6] + [UInt8]("xyz".utf8)
    #expect(record == expected)
  }

  @Test("an Avro file: header, blocks, markers")
  func avroContainer() throws {
    let marker = (0..<16).map { UInt8($0) }
    let container = AvroContainer(marker: marker)
    let header = container.header
    #expect(Hex.encode(header.prefix(4).map { $0 }) == "4f626a01")
    #expect(Array(header.suffix(16)) == marker)
    // Two entries, the schema's length as zig-zag, and the end of the map.
    #expect(Array(header[4..<17]) == [4, 22] + [UInt8]("avro.schema".utf8))
    let length = AvroContainer.schema.utf8.count * 2
    #expect(Array(header[17..<19]) == [UInt8(length & 0x7F | 0x80), UInt8(length >> 7)])
    #expect(
      Array(header.suffix(16 + 17)).dropLast(16)
        == ([20] + [UInt8]("avro.codec".utf8) + [8] + [UInt8]("null".utf8) + [0])[...]
    )
    #expect(try JSON.parse(AvroContainer.schema)["name"] == "Message")
    #expect(container.block([9, 8, 7], count: 2) == [4, 6, 9, 8, 7] + marker)
    #expect(container.block([], count: 0).isEmpty)
    let large = [UInt8](repeating: 1, count: 8192)
    #expect(Array(container.block(large, count: 64).prefix(5)) == [0x80, 0x01, 0x80, 0x80, 0x01])
    #expect(AvroContainer(marker: [1]).header.suffix(16) == [1] + [UInt8](repeating: 0, count: 15))
  }

  @Test("a CloudEvent says who, when, where in the log, and carries the original's data")
  func cloudEvent() throws {
    let event = try #require(try Self.message()).cloudEvent(hubName: "h1")
    #expect(
      event == [
        "specversion": "1.0", "id": "3-42", "source": "/hubs/h1",
        "type": "Microsoft.Devices.DeviceTelemetry", "subject": "devices/d1/modules/m1",
        "time": "1970-01-01T00:00:01.0000000Z", "datacontenttype": "application/json",
        "data": [
          "properties": ["level": "hot", "flag": "", "hub": "h1"],
          "systemProperties": [
            "iothub-connection-device-id": "d1", "iothub-connection-module-id": "m1",
            "iothub-connection-auth-method":
              #"{"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#,
            "iothub-connection-auth-generation-id": "637",
            "iothub-content-type": "application/json", "iothub-content-encoding": "utf-8",
            "iothub-message-id": "m-1", "iothub-enqueuedtime": "1970-01-01T00:00:01.0000000Z",
            "iothub-message-source": "Telemetry",
          ],
          "body": ["t": .number(try #require(JSONNumber(text: "21.50")))],
        ],
      ]
    )
  }

  @Test(
    "the type follows source and operation",
    arguments: [
      (EventSource.deviceLifecycle, "createDeviceIdentity", "Microsoft.Devices.DeviceCreated"),
      (.deviceLifecycle, "deleteDeviceIdentity", "Microsoft.Devices.DeviceDeleted"),
      (.deviceConnectionState, "deviceConnected", "Microsoft.Devices.DeviceConnected"),
      (.deviceConnectionState, "deviceDisconnected", "Microsoft.Devices.DeviceDisconnected"),
      (.twinChange, "updateTwin", "orrery.twinChangeEvents"),
    ]
  )
  func types(_ source: EventSource, _ operation: String, _ type: String) throws {
    let message = try #require(try Self.message(bag: "opType=\(operation)", source: source))
    #expect(message.cloudEvent(hubName: "h")["type"] == .string(type))
  }
}
