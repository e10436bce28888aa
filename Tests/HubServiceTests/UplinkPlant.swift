import ByteIO
import Endpoints
import HTTPTypes
import HubContract
import HubService
import JSONTree
import Logging
import NIOCore
import NIOPosix
import Platform
import Testing

/// A hub in this process that listens on loopback, an edge device with a module and two leaves, a
/// stranger, and a loop for the uplink of the edge device's edge hub.
struct UplinkPlant: Sendable {
  static let hubName = RESTHub.host
  static let edge = IdentityKey(deviceID: "edge", moduleID: ModuleID.edgeHub)
  static let module = IdentityKey(deviceID: "edge", moduleID: "m")
  static let leaf1 = IdentityKey(deviceID: "leaf1")
  /// With letters that topics hold escaped, and that MQTT takes for wildcards.
  static let leaf2 = IdentityKey(deviceID: "leaf#2+?$")
  static let stranger = IdentityKey(deviceID: "stranger")

  let hub: RESTHub
  let port: Int
  let loops: DeviceLoops
  let eventLoop: any EventLoop
  private let key: SymmetricKey

  static func run(_ body: @escaping (UplinkPlant) async throws -> Void) async throws {
    try await RESTHub.run { hub in
      let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
      let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      let loops = try await hub.hub.loops(of: group, logger: logger)
      let listener = try await MQTTListener(
        group: group,
        host: "127.0.0.1",
        port: 0,
        tls: nil,
        loops: loops
      )
      let plant = UplinkPlant(
        hub: hub,
        port: listener.port,
        loops: loops,
        eventLoop: group.next(),
        key: try await populate(hub)
      )
      let result: Result<Void, any Error>
      do {
        result = .success(try await body(plant))
      } catch {
        result = .failure(error)
      }
      await loops.stop(within: .seconds(5))
      try await group.shutdownGracefully()
      try result.get()
    }
  }

  /// Makes the identities; answers the edge hub's key.
  private static func populate(_ hub: RESTHub) async throws -> SymmetricKey {
    let body = #"{"deviceId":"edge","capabilities":{"iotEdge":true}}"#
    let edge = try await hub.send(.put, "/devices/edge", json: body).json()
    let scope = try #require(edge["deviceScope"]?.stringValue)
    for leaf in [leaf1, leaf2] {
      let made = try await hub.send(
        .put,
        "/devices/\(hub.encoded(leaf.deviceID))",
        json: #"{"deviceId":"\#(leaf.deviceID)","deviceScope":"\#(scope)"}"#
      )
      #expect(made.status == 200, "\(made)")
    }
    _ = try await hub.device("stranger")
    _ = try await hub.send(
      .put,
      "/devices/edge/modules/m",
      json: #"{"deviceId":"edge","moduleId":"m"}"#
    )
    let reply = try await hub.send(
      .put,
      "/devices/edge/modules/$edgeHub",
      headers: [("If-Match", "*")],
      json: #"{"deviceId":"edge","moduleId":"$edgeHub","authentication":{"type":"sas"}}"#
    )
    let key = try reply.json()["authentication"]?["symmetricKey"]?["primaryKey"]?.stringValue
    return try #require(key.flatMap { SymmetricKey(base64: $0) })
  }

  /// Runs `body` with an uplink, which connects by `way` or else straight.
  ///
  /// Its tokens are good for `seconds`.
  func uplink(
    by way: ClientWay? = nil,
    tokenSeconds seconds: Int64 = 3_600,
    _ body: (UplinkOwner.Bound) async throws -> Void
  ) async throws {
    var settings = UplinkSettings(
      ways: [way ?? ClientWay(host: "127.0.0.1", port: port, tls: nil)],
      hubName: Self.hubName,
      edgeID: "edge"
    )
    settings.delay = ReconnectDelay(milliseconds: 20...100)
    let (wanted, key, eventLoop) = (settings, key, eventLoop)
    let owner = try await eventLoop.submit {
      let owner = UplinkOwner(wanted, on: eventLoop) {
        UplinkCredential(
          token: Array(
            RESTHub.token(
              "\(Self.hubName)/devices/edge/modules/$edgeHub",
              key,
              secondsLeft: seconds
            ).utf8
          ),
          expiry: SystemClock.now().adding(milliseconds: UInt64(seconds) * 1_000)
        )
      }
      owner.uplink.start()
      return UplinkOwner.Bound(owner, eventLoop)
    }.get()
    let result: Result<Void, any Error>
    do {
      result = .success(try await body(owner))
    } catch {
      result = .failure(error)
    }
    try await owner.ask { $0.uplink.stop() }
    try result.get()
  }

  /// The bodies of the events of `identity`, in their order.
  func events(of identity: IdentityKey) async throws -> [String] {
    var bodies: [String] = []
    var query = "from=earliest&device=\(hub.encoded(identity.deviceID))"
    while true {
      let page = try await hub.send(.get, "/events?max=1000&\(query)").json()
      let events = page["events"]?.arrayValue ?? []
      if events.isEmpty { return bodies }
      for event in events {
        let annotations = event["annotations"]
        #expect(
          annotations?["iothub-connection-device-id"]?.stringValue == identity.deviceID
        )
        guard annotations?["iothub-connection-module-id"]?.stringValue == identity.moduleID else {
          continue
        }
        bodies.append(event["body"]?.stringValue ?? event["body"].map { JSON.text($0) } ?? "")
      }
      query = "continuation=\(page["continuation"]?.stringValue ?? "")"
    }
  }
}
