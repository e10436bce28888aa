import ByteIO
import Endpoints
import HTTPTypes
import HubContract
import JSONTree
import MQTT
import NIOCore
import Platform
import Testing

@Suite(
  "One connection of an edge hub for all below it (docs/edge/uplink.md)",
  .serialized,
  .timeLimit(.minutes(2))
)
struct UplinkTests {
  private static let all: UplinkTopics = [.desired, .methods, .cloudToDevice]

  /// Has the uplink follow these, and waits until the hub knows them as connected.
  private func follow(
    _ identities: [IdentityKey],
    _ plant: UplinkPlant,
    _ owner: UplinkOwner.Bound
  ) async throws {
    try await owner.ask { owner in
      for identity in identities { owner.uplink.follow(identity, Self.all) }
    }
    for identity in identities where identity.moduleID == nil {
      let path = "/devices/\(plant.hub.encoded(identity.deviceID))"
      try await plant.hub.until("\(identity) is connected") {
        try await plant.hub.send(.get, path).json()["connectionState"] == "Connected"
      }
    }
  }

  @Test("Twins of two children, a module and the edge hub itself are read, patched and told of")
  func twins() async throws {
    try await UplinkPlant.run { plant in
      try await plant.uplink { owner in
        let children = [UplinkPlant.leaf1, UplinkPlant.leaf2, UplinkPlant.module, UplinkPlant.edge]
        try await follow(children, plant, owner)
        let fact1 = try await owner.ask { $0.isMultiplexing }
        #expect(fact1)
        for (number, identity) in children.enumerated() {
          let patch = Array(#"{"number":\#(number)}"#.utf8)
          let patched = try await owner.reply { $0.patchReported(patch, of: identity, $1) }.get()
          #expect(patched.status == 204 && patched.version == 2)
          let twin = try JSON.parse(
            try await owner.reply { $0.readTwin(of: identity, $1) }.get().body
          )
          #expect(twin["reported"]?["number"]?.int64Value == Int64(number), "\(identity)")
          let wrong = try await owner.reply {
            $0.patchReported(Array("[]".utf8), of: identity, $1)
          }
          guard case .failure(.refused(status: 400, body: _)) = wrong else {
            Issue.record("\(wrong)")
            continue
          }
          var path = "/twins/\(plant.hub.encoded(identity.deviceID))"
          if let module = identity.moduleID { path += "/modules/\(module)" }
          let json = #"{"properties":{"desired":{"a":\#(number)}}}"#
          #expect(try await plant.hub.send(.patch, path, json: json).status == 200)
        }
        try await owner.until("patches of all") { $0.desired.count == 4 }
        let seen = try await owner.ask { $0.desired.sorted() }
        let expected = children.enumerated().map { #"\#($1) 2 {"a":\#($0),"$version":2}"# }
        #expect(seen == expected.sorted())
      }
    }
  }

  @Test("Methods of two children and a module are asked and answered on the one connection")
  func methods() async throws {
    try await UplinkPlant.run { plant in
      try await plant.uplink { owner in
        let children = [UplinkPlant.leaf1, UplinkPlant.leaf2, UplinkPlant.module]
        try await follow(children, plant, owner)
        for identity in children {
          var path = "/twins/\(plant.hub.encoded(identity.deviceID))"
          if let module = identity.moduleID { path += "/modules/\(module)" }
          let json =
            #"{"methodName":"a*b","payload":7,"connectTimeoutInSeconds":10,"#
            + #""responseTimeoutInSeconds":10}"#
          let reply = try await plant.hub.send(.post, "\(path)/methods", json: json)
          #expect(try reply.json() == ["status": 201, "payload": .string("\(identity)")])
        }
        let fact2 = try await owner.ask { $0.methods } == children.map { "\($0) a*b 7" }
        #expect(fact2)
        // Who is no longer followed is no longer there.
        try await owner.ask { $0.uplink.follow(UplinkPlant.leaf1, []) }
        try await plant.hub.until("leaf1 is gone") {
          let json = #"{"methodName":"a","responseTimeoutInSeconds":5}"#
          let reply = try await plant.hub.send(.post, "/twins/leaf1/methods", json: json)
          return reply.errorCode == "DeviceNotOnline"
        }
      }
    }
  }

  @Test("Messages to children are completed and abandoned each by itself")
  func cloudToDevice() async throws {
    try await UplinkPlant.run { plant in
      try await plant.uplink { owner in
        try await follow([UplinkPlant.leaf1, UplinkPlant.leaf2], plant, owner)
        for (identity, text) in [
          (UplinkPlant.leaf1, "one"), (UplinkPlant.leaf2, "two"), (UplinkPlant.leaf1, "three"),
        ] {
          let reply = try await plant.hub.send(
            .post,
            "/devices/\(plant.hub.encoded(identity.deviceID))/messages/deviceBound",
            headers: [("iothub-messageid", "m-\(text)"), ("iothub-app-k", "a/b")],
            body: Array(text.utf8)
          )
          #expect(reply.status == 201, "\(reply)")
        }
        try await owner.until("all have come") { $0.messages.count == 3 }
        let seen = try await owner.ask { owner in
          owner.messages.map { message in
            let properties = PropertyBag(message.bag.span).properties()
            #expect(properties.contains(MessageProperty("k", "a/b")))
            let id = properties.first { $0.name == "$.mid" }?.value ?? ""
            return "\(message.identity) \(id) \(String(decoding: message.body, as: UTF8.self))"
          }
        }
        #expect(
          seen.sorted() == ["leaf#2+?$ m-two two", "leaf1 m-one one", "leaf1 m-three three"]
        )
        // The second is abandoned and comes again; the others do not wait for it.
        try await owner.ask { owner in
          for message in owner.messages {
            let isSecond = message.identity == UplinkPlant.leaf2
            owner.uplink.settle(message, isSecond ? .abandon : .complete)
          }
        }
        try await owner.until("the second comes again") { $0.messages.count == 4 }
        let again = try await owner.ask { owner in
          owner.messages.last.map { message in
            owner.uplink.settle(message, .complete)
            return message.identity
          }
        }
        #expect(again == UplinkPlant.leaf2)
        for id in ["leaf1", plant.hub.encoded(UplinkPlant.leaf2.deviceID)] {
          try await plant.hub.until("nothing is left for \(id)") {
            try await plant.hub.send(.get, "/devices/\(id)").json()["cloudToDeviceMessageCount"]
              == 0
          }
        }
      }
    }
  }

  @Test("Whoever is not below the edge hub is refused by itself, and the connection stays")
  func foreign() async throws {
    try await UplinkPlant.run { plant in
      try await plant.uplink { owner in
        try await follow([UplinkPlant.leaf1], plant, owner)
        let others = [
          UplinkPlant.stranger, IdentityKey(deviceID: "nobody"), IdentityKey(deviceID: "edge"),
          IdentityKey(deviceID: "edge", moduleID: "none"),
        ]
        for other in others {
          try await owner.ask { $0.uplink.follow(other, [.desired]) }
          let twin = try await owner.reply { $0.readTwin(of: other, $1) }
          guard case .failure(.refused(status: 400, let body)) = twin else {
            Issue.record("\(other) \(twin)")
            continue
          }
          #expect(try JSON.parse(body)["errorCode"]?.int64Value == 400_028)
        }
        try await owner.until("all are refused") { $0.unfollowed.count == others.count }
        let fact3 = try await owner.ask { $0.unfollowed } == others.map { "\($0) refused" }
        #expect(fact3)
        // Their messages are acknowledged and dropped; those between them are kept.
        try await owner.ask { owner in
          for other in others { owner.enqueue([(other, "1"), (UplinkPlant.leaf1, "2")]) }
        }
        try await owner.until("all are acknowledged") { $0.acknowledged == 2 * others.count }
        let fact4 = try await owner.ask { $0.dropped }
        #expect(fact4 == others)
        #expect(try await plant.events(of: UplinkPlant.leaf1) == Array(repeating: "2", count: 4))
        for other in others.prefix(1) {
          #expect(try await plant.events(of: other).isEmpty)
        }
        let fact5 = try await owner.ask { $0.connections == 1 && $0.losses.isEmpty }
        #expect(fact5)
      }
    }
  }

  @Test("A child that connects itself, is disabled or is moved loses its presence alone")
  func presenceEnds() async throws {
    try await UplinkPlant.run { plant in
      try await plant.uplink { owner in
        let (leaf1, leaf2) = (UplinkPlant.leaf1, UplinkPlant.leaf2)
        try await follow([leaf1, leaf2], plant, owner)
        let row = try await plant.hub.send(.get, "/devices/leaf1").json()
        let key = try #require(
          (row["authentication"]?["symmetricKey"]?["primaryKey"]?.stringValue)
            .flatMap { SymmetricKey(base64: $0) }
        )
        let link = try await ClientLink.open(
          host: "127.0.0.1",
          port: plant.port,
          tls: nil,
          request: ConnectRequest(
            clientIdentifier: Array("leaf1".utf8),
            cleanSession: true,
            keepAliveSeconds: 60,
            userName: Array("\(UplinkPlant.hubName)/leaf1/?api-version=2021-04-12".utf8),
            password: Array(RESTHub.token("\(UplinkPlant.hubName)/devices/leaf1", key).utf8)
          ),
          on: plant.eventLoop
        )
        try await owner.until("taken over") { $0.unfollowed == ["leaf1 taken-over"] }
        // Its messages still go the same way, and it comes back when that is asked for.
        try await owner.ask { $0.enqueue([(leaf1, "x")]) }
        try await owner.until("acknowledged") { $0.acknowledged == 1 }
        try await owner.ask { $0.uplink.follow(leaf1, Self.all) }
        _ = await link.ended()
        let disabled = try await plant.hub.send(
          .put,
          "/devices/leaf1",
          headers: [("If-Match", "*")],
          json: #"{"deviceId":"leaf1","status":"disabled"}"#
        )
        #expect(disabled.status == 200, "\(disabled)")
        try await owner.until("disabled") { $0.unfollowed.contains("leaf1 disabled") }
        let moved = try await plant.hub.send(
          .put,
          "/devices/\(plant.hub.encoded(leaf2.deviceID))",
          headers: [("If-Match", "*")],
          json: #"{"deviceId":"\#(leaf2.deviceID)","deviceScope":""}"#
        )
        #expect(moved.status == 200, "\(moved)")
        try await owner.until("moved") { owner in
          owner.unfollowed.contains("\(leaf2) credential-changed")
        }
        let fact6 = try await owner.ask { $0.connections == 1 && $0.losses.isEmpty }
        #expect(fact6)
      }
    }
  }

  @Test("10,000 messages arrive in order, each at least once, though the link is cut on the way")
  func telemetry() async throws {
    try await UplinkPlant.run { plant in
      let relay = try await LoopbackRelay(to: plant.port, on: plant.eventLoop)
      let way = ClientWay(host: "127.0.0.1", port: relay.port, tls: nil)
      try await plant.uplink(by: way) { owner in
        let children = [
          UplinkPlant.leaf1, UplinkPlant.leaf2, UplinkPlant.module, UplinkPlant.edge,
        ]
        let messages = (0..<10_000).map { (child: children[$0 % 4], body: "\($0)") }
        // What a child writes of others into its properties is not believed.
        try await owner.ask { owner in
          owner.bag = Array("a=b&$.cdid=stranger&$.cmid=x/".utf8)
          owner.enqueue(messages.filter { $0.child != UplinkPlant.edge })
        }
        try await owner.until("a part is acknowledged") { $0.acknowledged >= 1_000 }
        relay.cut()
        try await owner.until("the link is back") { $0.connections >= 2 }
        try await owner.until("all are acknowledged") { $0.acknowledged == 7_500 }
        try await owner.ask { owner in
          owner.bag = []
          owner.enqueue(messages.filter { $0.child == UplinkPlant.edge })
        }
        try await owner.until("all are acknowledged") { $0.acknowledged == 10_000 }
        let fact7 = try await owner.ask { $0.losses.count }
        #expect(fact7 == 1)
        let fact8 = try await owner.ask { $0.dropped.isEmpty }
        #expect(fact8)
        for (number, child) in children.enumerated() {
          let expected = stride(from: number, to: 10_000, by: 4).map { "\($0)" }
          let seen = try await plant.events(of: child)
          var first: [String] = []
          var known: Set<String> = []
          for body in seen where known.insert(body).inserted { first.append(body) }
          #expect(first == expected, "\(child): \(seen.count) events")
          #expect(seen.count <= expected.count + 1_000)
        }
      }
      await relay.close()
    }
  }

  @Test("Whoever is followed is followed again after a loss")
  func reconnect() async throws {
    try await UplinkPlant.run { plant in
      let relay = try await LoopbackRelay(to: plant.port, on: plant.eventLoop)
      let way = ClientWay(host: "127.0.0.1", port: relay.port, tls: nil)
      try await plant.uplink(by: way) { owner in
        try await follow([UplinkPlant.leaf1, UplinkPlant.edge], plant, owner)
        let pending = Task { try await owner.reply { $0.readTwin(of: UplinkPlant.leaf1, $1) } }
        _ = try await pending.value.get()
        relay.cut()
        try await owner.until("lost and back") { $0.connections == 2 }
        try await follow([UplinkPlant.leaf1], plant, owner)
        let json = #"{"properties":{"desired":{"a":1}}}"#
        _ = try await plant.hub.send(.patch, "/twins/leaf1", json: json)
        try await owner.until("the patch") { $0.desired.count == 1 }
        let fact9 = try await owner.ask { $0.unfollowed.isEmpty }
        #expect(fact9)
      }
      await relay.close()
    }
  }

  @Test("A message that is durable already is acknowledged and dropped")
  func repetition() async throws {
    try await UplinkPlant.run { plant in
      var sent: UInt64 = 0
      for store in [7, 7, 8] as [UInt64] {
        try await plant.uplink { owner in
          for child in [UplinkPlant.leaf1, UplinkPlant.edge] {
            let number = child == UplinkPlant.edge ? 2 : UInt64.max
            for body in ["first", "again"] {
              try await owner.ask { owner in
                owner.id = EdgeMessageID(store: store, number: number)
                owner.enqueue([(child, "\(body) of \(store)")])
              }
              sent += 1
              let count = Int(sent)
              try await owner.until("acknowledged") { $0.acknowledged == count }
            }
          }
        }
        sent = 0
      }
      for child in [UplinkPlant.leaf1, UplinkPlant.edge] {
        #expect(try await plant.events(of: child) == ["first of 7", "first of 8"], "\(child)")
      }
    }
  }

  @Test("A token is renewed before it ends, without a loss that anybody has to mend")
  func renewal() async throws {
    try await UplinkPlant.run { plant in
      try await plant.uplink(tokenSeconds: 4) { owner in
        try await owner.ask { $0.uplink.follow(UplinkPlant.leaf1, Self.all) }
        for number in 0..<25 {
          try await owner.ask { $0.enqueue([(UplinkPlant.leaf1, "\(number)")]) }
          try await Pause.sleep(for: .milliseconds(200))
        }
        try await owner.until("all are acknowledged") { $0.acknowledged == 25 }
        try await owner.until("renewed") { $0.connections >= 2 }
        let fact10 = try await owner.ask { $0.losses.allSatisfy { $0 == "intended" } }
        #expect(fact10)
        let expected = (0..<25).map { "\($0)" }
        #expect(try await plant.events(of: UplinkPlant.leaf1) == expected)
      }
    }
  }
}
