import ByteIO
import HubContract
import JSONTree
import Testing

@Suite("Events in the log (contract §8.4)")
struct EventRecordTests {
  private static let stamp = EventStamp(
    identity: IdentityKey(deviceID: "d1", moduleID: "m1"),
    authMethod: ConnectionAuthMethod(scope: .module, type: .sas),
    generationID: "637",
    modelID: "dtmi:x;1"
  )

  private static func record(
    _ stamp: EventStamp = stamp,
    source: EventSource = .telemetry,
    flags: EventFlags = [],
    bag: String = "",
    body: [UInt8] = []
  ) -> [UInt8] {
    var writer = ByteWriter()
    let bagBytes = [UInt8](bag.utf8)
    EventEncoder.append(
      stamp: stamp,
      source: source,
      flags: flags,
      bag: bagBytes.span,
      body: body.span,
      to: &writer
    )
    #expect(
      writer.count
        == EventEncoder.byteCount(stamp: stamp, bagBytes: bagBytes.count, bodyBytes: body.count)
    )
    return writer.bytes
  }

  @Test("the stored form of version 1 is pinned byte for byte")
  func layout() {
    #expect(
      Hex.encode(Self.record(flags: [.retain], bag: "a=b", body: [0xFF, 0]))
        == "010101" + "16" + "026431" + "026d31" + "03363337" + "080064746d693a783b31"
        + "03000000613d62" + "ff00"
    )
    let plain = EventStamp(identity: IdentityKey(deviceID: "d"))
    #expect(
      Hex.encode(Self.record(plain, source: .deviceConnectionState))
        == "01040000" + "0164" + "00" + "00" + "0000" + "00000000"
    )
  }

  @Test("what is written is read back in place")
  func readBack() throws {
    let bytes = Self.record(bag: "a=b&%24.mid=7", body: [1, 2, 3])
    let view = try EventView(bytes.span)
    #expect(view.identity == IdentityKey(deviceID: "d1", moduleID: "m1"))
    #expect(view.source == .telemetry && view.flags == [])
    #expect(view.authMethod == ConnectionAuthMethod(scope: .module, type: .sas))
    #expect(view.body.array() == [1, 2, 3])
    #expect(view.bag.value(of: .messageID) == "7")
  }

  @Test("every truncation is a fault, unless only the body got shorter")
  func truncation() {
    let bytes = Self.record(bag: "a=b", body: [])
    for count in 0..<bytes.count {
      let cut = Array(bytes.prefix(count))
      #expect(throws: EventFault.self, "\(count)") { _ = try EventView(cut.span).source }
    }
  }

  @Test("unknown versions, sources and authentication methods are faults")
  func invalid() {
    func fault(_ index: Int, _ value: UInt8) -> EventFault? {
      var bytes = Self.record()
      bytes[index] = value
      do {
        _ = try EventView(bytes.span).source
        return nil
      } catch { return error }
    }
    #expect(fault(0, 2) == .unknownVersion(2))
    #expect(fault(1, 0) == .invalidField(at: 1))
    #expect(fault(1, 7) == .invalidField(at: 1))
    #expect(fault(3, 0x40) == .invalidField(at: 3))
    #expect(fault(3, 0x10) == .invalidField(at: 3))
    #expect(fault(3, 0) == nil)
  }

  @Test("annotations, properties and application properties are the contract's")
  func sections() throws {
    let bytes = Self.record(
      flags: [.retain, .will],
      bag: "%24.mid=1&%24.cid=2&%24.uid=3&%24.ct=application%2Fjson&%24.ce=utf-8&%24.exp="
        + "2026-01-02T03%3A04%3A05&%24.on=out&%24.ifid=i&%24.sub=s&%24.schema=sc&%24.ctime=t"
        + "&%24.cdid=evil&%24.cmid=evil&%24.diagid=g&%24.diagctx=x&%24.new=n&k=v&null&mqtt-retain=no"
    )
    let event = try EventView(bytes.span).properties()
    #expect(
      event.annotations == [
        .init("iothub-connection-device-id", "d1"), .init("iothub-connection-module-id", "m1"),
        .init(
          "iothub-connection-auth-method",
          #"{"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#
        ),
        .init("iothub-connection-auth-generation-id", "637"),
        .init("iothub-message-source", "Telemetry"), .init("dt-dataschema", "dtmi:x;1"),
        .init("iothub-outputname", "out"), .init("iothub-interface-id", "i"),
        .init("dt-subject", "s"), .init("Diagnostic-Id", "g"), .init("Correlation-Context", "x"),
      ]
    )
    #expect(event.messageID == "1" && event.correlationID == "2" && event.userID == "3")
    #expect(event.contentType == "application/json" && event.contentEncoding == "utf-8")
    #expect(event.to == "/devices/d1/modules/m1/messages/events")
    #expect(event.absoluteExpiryTime == Timestamp(iso8601: "2026-01-02T03:04:05Z"))
    #expect(
      event.application == [
        .init("iothub-message-schema", "sc"), .init("iothub-creation-time-utc", "t"),
        .init("$.new", "n"), .init("k", "v"), .init("null", nil), .init("mqtt-retain", "true"),
        .init("iothub-MessageType", "Will"),
      ]
    )
    #expect(event.declaresJSON)
  }

  @Test("$.cdid and $.cmid are believed from an edge hub alone (contract §3.4)")
  func onBehalf() throws {
    let bytes = Self.record(flags: .onBehalfOfChild, bag: "%24.cdid=child&%24.cmid=cm")
    let event = try EventView(bytes.span).properties()
    #expect(event.annotation("iothub-connection-device-id") == "child")
    #expect(event.annotation("iothub-connection-module-id") == "cm")
  }

  @Test("the hub's own events have neither authentication nor destination (contract §9.3)")
  func hubEvents() throws {
    let stamp = EventStamp(identity: IdentityKey(deviceID: "d1"), modelID: "dtmi:x;1")
    for source in EventSource.allCases where source != .telemetry {
      let bytes = Self.record(stamp, source: source, bag: "opType=updateTwin")
      let event = try EventView(bytes.span).properties()
      #expect(
        event.annotations == [
          .init("iothub-connection-device-id", "d1"), .init("iothub-message-source", source.name),
        ]
      )
      #expect(event.to == nil && event.application == [.init("opType", "updateTwin")])
    }
  }

  @Test("a body is shown as JSON, as text or as base64")
  func rendering() throws {
    func body(_ bag: String, _ body: [UInt8]) throws -> JSONObject {
      let bytes = Self.record(bag: bag, body: body)
      let value = try EventView(bytes.span)
        .json(offset: "12", sequenceNumber: 3, enqueuedTime: Timestamp(seconds: 0))
      var shown = JSONObject()
      shown["e"] = value["bodyEncoding"]
      shown["b"] = value["body"]
      return shown
    }
    let json = "%24.ct=Application%2FJSON%3Bcharset%3Dutf-8&%24.ce=UTF-8"
    #expect(try body(json, Array(#"{"a":1.0}"#.utf8)) == ["e": "json", "b": ["a": 1.0]])
    #expect(try body("", Array("{}".utf8)) == ["e": "utf-8", "b": "{}"])
    #expect(try body(json, Array("{".utf8)) == ["e": "utf-8", "b": "{"])
    #expect(try body(json, [0xFF]) == ["e": "base64", "b": "/w=="])
    #expect(
      try body("%24.ct=application%2Fjson&%24.ce=utf-16", Array("{}".utf8))
        == ["e": "utf-8", "b": "{}"]
    )
    let bytes = Self.record(bag: "k&%24.mid=m")
    let value = try EventView(bytes.span)
      .json(offset: "12", sequenceNumber: 3, enqueuedTime: Timestamp(seconds: 0))
    #expect(value["offset"] == "12" && value["sequenceNumber"] == 3)
    #expect(value["enqueuedTime"] == "1970-01-01T00:00:00.0000000Z")
    #expect(value["annotations"]?["iothub-enqueuedtime"] == "1970-01-01T00:00:00.0000000Z")
    #expect(value["properties"]?["message-id"] == "m")
    #expect(value["applicationProperties"] == ["k": nil])
  }

  @Test("every authentication method has its text")
  func authMethods() {
    #expect(
      ConnectionAuthMethod(scope: .device, type: .x509, issuer: .external).json
        == #"{"scope":"device","type":"x509","issuer":"external","acceptingIpFilterRule":null}"#
    )
    #expect(
      ConnectionAuthMethod(scope: .hub, type: .symmetricKey).json
        == #"{"scope":"hub","type":"symkey","issuer":"iothub","acceptingIpFilterRule":null}"#
    )
  }
}
