import AMQP
import AMQPEndpoints
import HTTPTypes
import HubContract
import HubEngine
import HubService
import Platform
import Testing

@Suite("What tokens and passwords open over AMQP (contract §2.1, §8.1)")
struct AMQPGrantTests {
  private static let host = RESTHub.host
  private static let stranger = SymmetricKey(bytes: Array(repeating: 9, count: 32))

  /// The status that a refusal has, 0 for none.
  private func status(
    _ judge: () async throws(RequestRefusal) -> AMQPGrant
  ) async -> Int32 {
    do throws(RequestRefusal) {
      _ = try await judge()
      return 0
    } catch {
      return error.status
    }
  }

  @Test("A token is taken for what it says, until it ends, with its own key alone")
  func tokens() async throws {
    try await RESTHub.run(settings: [("sas.skew_seconds", "0")]) { hub in
      let authenticator = AMQPAuthenticator(backend: HubAMQP(hub: hub.hub))
      let key = try #require(hub.policies["service"]).primaryKey
      let second = try #require(hub.policies["service"]).secondaryKey
      let other = try #require(Self.stranger)
      func token(
        _ resource: String,
        _ key: SymmetricKey,
        _ policy: String? = "service",
        seconds: Int64 = 60
      ) -> String {
        RESTHub.token(resource, key, policy: policy, secondsLeft: seconds)
      }
      let rows: [(String, String, String?, Int32)] = [
        ("first key", token(Self.host, key), nil, 0),
        ("second key", token(Self.host, second), nil, 0),
        (
          "under its resource", token(Self.host, key), "amqps://\(Self.host)/messages/devicebound",
          0
        ),
        ("in another case", token(Self.host, key), "sb://HUB.test/Messages/Events", 0),
        ("event endpoint", token("sb://\(Self.host)/events", key), "sb://\(Self.host)/events", 0),
        ("another key", token(Self.host, other), nil, 401),
        ("expired", token(Self.host, key, seconds: -5), nil, 401),
        ("another policy's name", token(Self.host, key, "iothubowner"), nil, 401),
        ("no such policy", token(Self.host, key, "nobody"), nil, 401),
        ("another audience", token("\(Self.host)/events", key), "sb://\(Self.host)/other", 401),
        ("another hub", token("elsewhere.test", key), nil, 404),
        ("of nobody", token(Self.host, key, nil), nil, 401),
        ("no token", "nonsense", nil, 401),
        ("nothing", "", nil, 401),
      ]
      for (name, text, audience, expected) in rows {
        let found = await status { () async throws(RequestRefusal) in
          try await authenticator.judge(text, audience: audience)
        }
        #expect(found == expected, "\(name)")
      }
      #expect(hub.metrics.page().contains(#"refused_total{protocol="amqp"} 9"#))
    }
  }

  @Test("A password is a policy's key or a token")
  func passwords() async throws {
    try await RESTHub.run { hub in
      let authenticator = AMQPAuthenticator(backend: HubAMQP(hub: hub.hub))
      let policy = try #require(hub.policies["service"])
      let other = try #require(Self.stranger)
      let token = RESTHub.token(Self.host, policy.primaryKey, policy: "service")
      let rows: [(String, [UInt8], Int32)] = [
        ("service@sas.root.hub", Array(policy.primaryKey.base64.utf8), 0),
        ("service", Array(policy.secondaryKey.base64.utf8), 0),
        ("whoever", Array(token.utf8), 0),
        ("service", Array(other.base64.utf8), 401),
        ("iothubowner", Array(policy.primaryKey.base64.utf8), 401),
        ("nobody", Array(policy.primaryKey.base64.utf8), 401),
        ("service", [], 401),
        ("service", [0xFF, 0xFE], 401),
      ]
      for (userName, password, expected) in rows {
        let found = await status { () async throws(RequestRefusal) in
          try await authenticator.judge(userName: userName, password: password)
        }
        #expect(found == expected, "\(userName) \(password.count)")
      }
    }
  }

  @Test("A policy opens what its rights and its resource cover")
  func policies() async throws {
    try await RESTHub.run { hub in
      let authenticator = AMQPAuthenticator(backend: HubAMQP(hub: hub.hub))
      func grant(_ name: String, _ resource: String) async throws -> AMQPGrant {
        let key = try #require(hub.policies[name]).primaryKey
        return try await authenticator.judge(
          RESTHub.token(resource, key, policy: name),
          audience: nil
        )
      }
      let rows: [(String, String, String, Bool)] = [
        ("service", Self.host, "/messages/devicebound", true),
        ("service", Self.host, "events/ConsumerGroups/$Default/Partitions/0", true),
        ("service", "\(Self.host)/EVENTS", "events/ConsumerGroups/$Default/Partitions/0", true),
        ("service", "\(Self.host)/other", "events/ConsumerGroups/$Default/Partitions/0", false),
        ("service", "\(Self.host)/messages", "/messages/devicebound", true),
        ("registryRead", Self.host, "/messages/devicebound", false),
        ("device", Self.host, "/messages/devicebound", false),
      ]
      for (name, resource, address, isAllowed) in rows {
        let link = try #require(LinkAddress(address))
        let found = try await grant(name, resource).allows(link, needing: .serviceConnect)
        #expect(found == isAllowed, "\(name) \(resource) \(address)")
      }
      let (first, second) = (IdentityKey(deviceID: "a"), IdentityKey(deviceID: "b"))
      #expect(try await grant("device", Self.host).admits(first))
      #expect(try await grant("device", "\(Self.host)/devices/a").admits(first))
      #expect(try await !grant("device", "\(Self.host)/devices/a").admits(second))
      #expect(try await !grant("service", Self.host).admits(first))
    }
  }

  @Test("A device's token admits that device, and opens no service address")
  func identities() async throws {
    try await RESTHub.run { hub in
      guard case .key(let key, _, _) = try await hub.device("a") else { return }
      let authenticator = AMQPAuthenticator(backend: HubAMQP(hub: hub.hub))
      let own = try #require(SymmetricKey(base64: key))
      let grant = try await authenticator.judge(
        RESTHub.token("\(Self.host)/devices/a", own),
        audience: nil
      )
      #expect(grant.client == "a")
      #expect(grant.admits(IdentityKey(deviceID: "a")))
      #expect(!grant.admits(IdentityKey(deviceID: "b")))
      #expect(!grant.admits(IdentityKey(deviceID: "a", moduleID: "m")))
      let address = try #require(LinkAddress("/messages/devicebound"))
      #expect(!grant.allows(address, needing: []))
      let missing = await status { () async throws(RequestRefusal) in
        try await authenticator.judge(
          RESTHub.token("\(Self.host)/devices/nobody", own),
          audience: nil
        )
      }
      #expect(missing == 401)
    }
  }

  @Test("A grant holds as long as its policy has the key and the rights")
  func holds() async throws {
    try await RESTHub.run { hub in
      let authenticator = AMQPAuthenticator(backend: HubAMQP(hub: hub.hub))
      let key = try #require(hub.policies["service"]).primaryKey
      let grant = try await authenticator.judge(
        RESTHub.token(Self.host, key, policy: "service"),
        audience: nil
      )
      #expect(await authenticator.stillHold([grant]) == [true])
      let reply = try await hub.send(.delete, "/policies/service", headers: [("If-Match", "*")])
      #expect(reply.status == 204, "\(reply)")
      #expect(await authenticator.stillHold([grant]) == [false])
    }
  }
}
