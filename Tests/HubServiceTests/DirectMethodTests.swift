import Endpoints
import HTTPTypes
import HubContract
import HubService
import JSONTree
import NIOCore
import NIOPosix
import Platform
import Synchronization
import Testing

@Suite("Direct methods between callers and connections (contract §3.7, §7.6)")
struct DirectMethodTests {
  @Test("A device that leaves between the look-up and the call is offline at once")
  func leftMeanwhile() async throws {
    try await withConnection { hub, client, handle in
      try await client.onLoop { handle.clear() }
      // As the caller saw it a moment ago.
      handle.takesMethods = true
      let reply = try await hub.invoke(response: 5)
      #expect(reply.result.errorCode == "DeviceNotOnline")
      #expect(reply.took < .seconds(2))
    }
  }

  @Test("So is one that no longer takes the method")
  func noLongerTaken() async throws {
    try await withConnection { hub, client, handle in
      client.takes.withLock { $0 = false }
      let reply = try await hub.invoke(response: 5)
      #expect(reply.result.errorCode == "DeviceNotOnline")
      #expect(reply.took < .seconds(2))
    }
  }

  @Test("With a connect timeout the call waits for the device's return")
  func returns() async throws {
    try await withConnection { hub, client, handle in
      client.takes.withLock { $0 = false }
      async let pending = hub.invoke(connect: 5, response: 10)
      try await client.waitForAttempts(1)
      client.takes.withLock { $0 = true }
      hub.hub.methodsSubscribed(handle, client.identity)
      try await client.waitForAttempts(2)
      let request = try #require(client.requests.withLock { $0.last })
      hub.hub.methodAnswered(
        requestID: Array(request.utf8),
        status: 200,
        body: Array("7".utf8),
        by: client.identity
      )
      let reply = try await pending
      #expect(try reply.result.json() == ["status": 200, "payload": 7])
    }
  }

  @Test("Unsubscribing fails the calls that are under way")
  func unsubscribed() async throws {
    try await withConnection { hub, client, handle in
      async let pending = hub.invoke(response: 10)
      try await client.waitForAttempts(1)
      let stale = try await client.makeHandle()
      hub.hub.methodsUnsubscribed(stale, client.identity)
      handle.takesMethods = false
      hub.hub.methodsUnsubscribed(handle, client.identity)
      let reply = try await pending
      #expect(reply.result.errorCode == "DeviceNotOnline")
      #expect(reply.took < .seconds(3))
    }
  }

  @Test("Each call ends at its own time, whatever others wait for")
  func timeouts() async throws {
    try await withConnection { hub, client, handle in
      handle.takesMethods = false
      async let late = hub.invoke(connect: 3, response: 5)
      async let early = hub.invoke(connect: 1, response: 5)
      let (first, second) = try await (early, late)
      handle.takesMethods = true
      #expect(first.result.errorCode == "DeviceNotOnline")
      #expect(first.took > .milliseconds(990) && first.took < .milliseconds(1_900))
      #expect(second.result.errorCode == "DeviceNotOnline")
      #expect(second.took > .milliseconds(2_990) && second.took < .milliseconds(3_900))
      let unanswered = try await hub.invoke(response: 5)
      #expect(unanswered.result.errorCode == "GatewayTimeout")
      #expect(unanswered.took > .milliseconds(4_990) && unanswered.took < .milliseconds(5_900))
    }
  }

  /// Runs `body` on a hub to which the device `d` is connected, without a socket.
  private func withConnection(
    _ body: (RESTHub, FakeClient, DeviceHandle) async throws -> Void
  ) async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    try await RESTHub.run { hub in
      guard case .key(let key, _, _) = try await hub.device("d") else { return }
      let admitted = try await hub.admitted("d", key: key)
      let client = FakeClient(admitted.identity, on: group.next())
      let handle = try await client.makeHandle()
      #expect(hub.hub.established(handle, admitted))
      handle.takesMethods = true
      try await body(hub, client, handle)
    }
    try await group.shutdownGracefully()
  }
}

/// A connection that takes methods, or does not, as the test says.
private final class FakeClient: DevicePresence, Sendable {
  let identity: IdentityKey
  let eventLoop: any EventLoop
  let takes = Mutex(true)
  /// The request IDs of all that came.
  let requests = Mutex<[String]>([])

  init(_ identity: IdentityKey, on eventLoop: any EventLoop) {
    self.identity = identity
    self.eventLoop = eventLoop
  }

  func makeHandle() async throws -> DeviceHandle {
    try await eventLoop.submit { DeviceHandle(presence: self, eventLoop: self.eventLoop) }.get()
  }

  func onLoop(_ body: @escaping @Sendable () -> Void) async throws {
    try await eventLoop.submit(body).get()
  }

  func waitForAttempts(_ count: Int) async throws {
    for _ in 0..<1_000 where requests.withLock({ $0.count }) < count {
      try await Pause.sleep(for: .milliseconds(5))
    }
    #expect(requests.withLock { $0.count } == count)
  }

  func drop(_ reason: DropReason) {}
  func deliverDesired(version: Int64, body: [UInt8]) {}
  func pullCloudToDevice() {}

  func deliverMethod(name: String, requestID: String, payload: [UInt8]) -> Bool {
    requests.withLock { $0.append(requestID) }
    return takes.withLock { $0 }
  }
}

extension RESTHub {
  /// What admits the device called `id` to a connection.
  fileprivate func admitted(_ id: String, key: String) async throws -> AdmittedDevice {
    let key = try #require(SymmetricKey(base64: key))
    let request = DeviceConnectRequest(
      clientID: Array(id.utf8),
      userName: Array("\(Self.host)/\(id)/?api-version=2021-04-12".utf8),
      password: Array(Self.token("\(Self.host)/devices/\(id)", key).utf8)
    )
    let admission = await withCheckedContinuation { continuation in
      hub.admit(request) { continuation.resume(returning: $0) }
    }
    guard case .accepted(let device) = admission else {
      throw HubError(.iotHubUnauthorized, "\(admission)")
    }
    return device
  }

  /// Invokes a method of `d`, and measures it.
  fileprivate func invoke(
    connect: Int = 0,
    response: Int
  ) async throws -> (result: Reply, took: Duration) {
    let begun = ContinuousClock.now
    let reply = try await send(
      .post,
      "/twins/d/methods",
      json: """
        {"methodName":"m","connectTimeoutInSeconds":\(connect),\
        "responseTimeoutInSeconds":\(response)}
        """
    )
    return (reply, ContinuousClock.now - begun)
  }
}
