import ByteIO
import HubContract
import Testing

@Suite("What routing decided, in the record")
struct EventRoutingTests {
  private static let stamp = EventStamp(identity: IdentityKey(deviceID: "d1"))

  private static func record(_ routing: EventRouting) -> [UInt8] {
    var writer = ByteWriter()
    let bag = [UInt8]("a=b".utf8)
    EventEncoder.append(stamp: stamp, routing: routing, bag: bag.span, body: [7].span, to: &writer)
    #expect(
      writer.count
        == EventEncoder.byteCount(stamp: stamp, routing: routing, bagBytes: 3, bodyBytes: 1)
    )
    return writer.bytes
  }

  @Test("an event for the built-in stream alone is stored as if there were no routing")
  func builtIn() throws {
    var plain = ByteWriter()
    EventEncoder.append(
      stamp: Self.stamp,
      bag: [UInt8]("a=b".utf8).span,
      body: [7].span,
      to: &plain
    )
    #expect(Self.record(.builtIn) == plain.bytes)
    let view = try EventView(plain.bytes.span)
    #expect(view.destinations == .events && view.enrichmentRange.isEmpty)
  }

  @Test("destinations and enrichments are pinned byte for byte")
  func layout() {
    var routing = EventRouting([.events, EventDestinations(slot: 3)])
    routing.enrich("k", "v", at: EventDestinations(slot: 3))
    #expect(
      Hex.encode(Self.record(routing))
        == "010108" + "00" + "026431" + "00" + "00" + "0000"
        + "09000000" + "09000000" + "08000000" + "016b" + "010076"
        + "03000000613d62" + "07"
    )
  }

  @Test("each reader sees its own enrichments, which win over the sender's property")
  func enrichments() throws {
    let other = EventDestinations(slot: 31)
    var routing = EventRouting([.events, other])
    routing.enrich("a", "here", at: .events)
    routing.enrich("c", "both", at: [.events, other])
    let bytes = Self.record(routing)
    let view = try EventView(bytes.span)
    #expect(view.destinations == [.events, other])
    #expect(view.properties().application == [.init("a", "here"), .init("c", "both")])
    #expect(
      view.properties(at: other).application == [.init("a", "b"), .init("c", "both")]
    )
    #expect(
      view.properties(at: EventDestinations(slot: 2)).application == [.init("a", "b")]
    )
    #expect(view.body.array() == [7])
  }

  @Test("a record that ends anywhere within the decision is refused, not read")
  func truncated() {
    var routing = EventRouting([])
    routing.enrich("key", "value", at: .events)
    let bytes = Self.record(routing)
    for count in 0..<bytes.count - 4 {
      let part = Array(bytes.prefix(count))
      #expect(throws: EventFault.self) { _ = try EventView(part.span).flags }
    }
  }

  @Test("broken enrichments lose what is broken and trap nowhere")
  func damaged() throws {
    var routing = EventRouting([.events])
    routing.enrich("key", "value", at: .events)
    routing.enrich("more", "things", at: .events)
    let bytes = Self.record(routing)
    var generator = SeededGenerator(seed: 11)
    for _ in 0..<2000 {
      var broken = bytes
      let place = Int.random(in: 10..<broken.count, using: &generator)
      broken[place] = UInt8.random(in: 0...255, using: &generator)
      if let view = try? EventView(broken.span) { _ = view.properties() }
    }
  }

  @Test("where a record goes is told by its head; what is no event goes to the built-in stream")
  func head() {
    let place: EventDestinations = [.events, EventDestinations(slot: 9)]
    #expect(EventView.destinations(of: Self.record(EventRouting(place)).span) == place)
    #expect(EventView.destinations(of: Self.record(EventRouting([])).span) == [])
    #expect(EventView.destinations(of: Self.record(.builtIn).span) == .events)
    for bytes in [[], [1, 1], [1, 1, 8], [9, 9, 9, 9]] as [[UInt8]] {
      #expect(EventView.destinations(of: bytes.span) == .events)
    }
  }

  @Test("a stamp tells what it was made of")
  func stampParts() {
    let method = ConnectionAuthMethod(scope: .module, type: .x509, issuer: .external)
    let parts = EventStamp(
      identity: IdentityKey(deviceID: "d", moduleID: "m"),
      authMethod: method,
      generationID: "g",
      modelID: "dtmi:x;1"
    ).parts
    #expect(parts.identity == IdentityKey(deviceID: "d", moduleID: "m"))
    #expect(parts.authMethod == method)
    #expect(parts.generationID == "g" && parts.modelID == "dtmi:x;1")
    let plain = EventStamp(identity: IdentityKey(deviceID: "d")).parts
    #expect(plain.identity == IdentityKey(deviceID: "d") && plain.authMethod == nil)
    #expect(plain.generationID == nil && plain.modelID == nil)
  }

  @Test("numbers that are no slot are no destination", arguments: [-1, 0, 32, 33, Int.max])
  func slots(_ slot: Int) {
    #expect(EventDestinations(slot: slot).isEmpty)
  }
}
