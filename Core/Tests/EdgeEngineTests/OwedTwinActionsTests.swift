import ByteIO
import EdgeEngine
import HubContract
import JSONTree
import Testing

@Suite("What is owed while the disk takes nothing")
struct OwedTwinActionsTests {
  private static let leaf = IdentityKey(deviceID: "leaf", moduleID: nil)
  private let now = Instant(nanoseconds: 1)

  /// A subscribed client whose twin is known, at version 1 of `{"a":0}`.
  private func makeCache() throws -> TwinCache {
    var cache = TwinCache()
    _ = cache.linkUp(now: now)
    let actions = cache.clientSubscribed(Self.leaf, now: now)
    let exchange = actions.compactMap { action -> UInt64? in
      if case .readTwin(_, let exchange) = action { exchange } else { nil }
    }
    let body = #"{"desired":{"a":0,"$version":1},"reported":{"$version":1}}"#
    let number = try #require(exchange.first)
    let bytes = Array(body.utf8)
    let delivered = cache.twinRead(Self.leaf, exchange: number, bytes.span, now: now)
    for case .deliverDesired(_, let version, _) in delivered {
      cache.desiredConfirmed(Self.leaf, version: version)
    }
    return cache
  }

  @Test("of a flood of desired patches one delivery is left, which leads to the newest")
  func desired() throws {
    var cache = try makeCache()
    var owed = OwedTwinActions()
    for number in 2...3_000 as ClosedRange<UInt64> {
      let patch = #"{"a":\#(number),"n\#(number % 7)":\#(number),"n\#((number + 3) % 7)":null}"#
      let bytes = Array(patch.utf8)
      owed.append(cache.desiredChanged(Self.leaf, bytes.span, version: number, now: now))
      let dropped = owed.compact { _ in true }
      #expect(dropped == 0 && owed.actions.count <= 2)
    }
    let (actions, undelivered) = owed.take()
    #expect(undelivered == [Self.leaf])
    guard actions.count == 1, case .store(Self.leaf, let record) = actions[0] else {
      Issue.record("\(actions.count) actions")
      return
    }
    // What is stored is what was known last.
    var restarted = TwinCache()
    try restarted.restore(Self.leaf, record.span)
    #expect(restarted.document(Self.leaf) == cache.document(Self.leaf))

    let again = cache.deliverAgain(Self.leaf)
    let bodies = again.compactMap { action -> [UInt8]? in
      if case .deliverDesired(_, 3_000, let body) = action { body } else { nil }
    }
    #expect(again.count == 2 && bodies.count == 1)
    let body = try #require(bodies.first)
    let patch = try JSON.parse(body).objectValue ?? [:]
    var client: JSONObject = ["a": 0]
    client.merge(patch: patch)
    let twin = try JSON.parse(cache.document(Self.leaf))
    #expect(client.count == twin["desired"]?.objectValue?.count)
    for (name, value) in client { #expect(twin["desired"]?[name] == value, "\(name)") }
    // Nothing is left once it is confirmed, and who has left gets nothing.
    cache.desiredConfirmed(Self.leaf, version: 3_000)
    let none = cache.deliverAgain(Self.leaf)
    _ = cache.clientLeft(Self.leaf, now: now)
    let left = cache.deliverAgain(Self.leaf)
    let nobody = cache.deliverAgain(IdentityKey(deviceID: "nobody", moduleID: nil))
    #expect(none.isEmpty && left.isEmpty && nobody.isEmpty)
  }

  @Test("the last of each kind is left, in its order; answers to nobody are not")
  func kinds() {
    let a = IdentityKey(deviceID: "a", moduleID: nil)
    let b = IdentityKey(deviceID: "b", moduleID: nil)
    var owed = OwedTwinActions()
    owed.append([
      .store(b, [1]), .readTwin(a, exchange: 1), .sendReported(a, exchange: 2, patch: [1]),
      .note(a, "old"), .answerTwin(a, request: 1, body: []), .store(a, [2]),
      .answerReported(b, request: 2, version: 1), .readTwin(a, exchange: 3), .forget(b),
      .sendReported(a, exchange: 4, patch: [2]), .note(a, "new"), .routeChange(a, body: [1]),
      .routeChange(a, body: [2]), .deliverDesired(b, version: 1, body: []),
    ])
    let dropped = owed.compact { $0 == 2 }
    #expect(dropped == 0)
    #expect(
      owed.actions == [
        .store(a, [2]), .forget(b), .answerReported(b, request: 2, version: 1),
        .readTwin(a, exchange: 3), .sendReported(a, exchange: 4, patch: [2]), .note(a, "new"),
        .routeChange(a, body: [1]), .routeChange(a, body: [2]),
      ]
    )
    let (first, second) = (owed.take(), owed.take())
    #expect(first.undelivered == [b] && second.undelivered.isEmpty && second.actions.isEmpty)
  }

  @Test("notices beyond the limit are dropped, the oldest first")
  func notices() {
    let key = Self.leaf
    let limit = OwedTwinActions.noticeLimit
    var owed = OwedTwinActions()
    owed.append((0..<limit + 3).map { .routeChange(key, body: [UInt8($0 & 0xFF)]) })
    let dropped = [owed.compact { _ in true }, owed.compact { _ in true }]
    #expect(dropped == [3, 0])
    #expect(owed.actions.count == limit && owed.actions.first == .routeChange(key, body: [3]))
  }
}
