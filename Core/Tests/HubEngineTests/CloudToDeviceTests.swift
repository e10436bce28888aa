import HubContract
import HubEngine
import Simulation
import Testing

@Suite("Cloud-to-device messages (contract §3.5)")
struct CloudToDeviceTests {
  private let key = IdentityKey(deviceID: "d")
  private let connection = ConnectionID(7)

  private func enqueue(
    _ hub: inout TestHub,
    _ id: String,
    ack: CloudToDeviceAcknowledgement = .full,
    expiry: Timestamp? = nil
  ) throws(HubError) -> UInt64 {
    try hub.engine.enqueue(
      CloudToDeviceRequest(
        recipient: key,
        messageID: id,
        acknowledgement: ack,
        expiryTime: expiry,
        properties: [UInt8]("k=v".utf8),
        propertyByteCount: 2,
        body: [UInt8](id.utf8)
      ),
      now: hub.now
    )
  }

  private func take(
    _ hub: inout TestHub,
    _ limit: Int = 16,
    hold: CloudToDeviceHold = .connection
  ) throws(HubError) -> [CloudToDeviceMessage] {
    try hub.engine.takeCloudToDevice(
      of: "d",
      limit: limit,
      holder: hold == .connection ? connection : .http,
      hold: hold,
      now: hub.now
    )
  }

  private func feedback(_ hub: TestHub) -> [String] {
    hub.engine.storage.tables.feedback.map { "\($0.originalMessageID) \($0.status.rawValue)" }
  }

  @Test("in order, within the window, each once; completed ones are gone")
  func window() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    for id in ["a", "b", "c"] { _ = try enqueue(&hub, id) }
    let first = try take(&hub, 2)
    #expect(first.map(\.messageID) == ["a", "b"])
    #expect(first.map(\.deliveryCount) == [1, 1])
    let second = try take(&hub)
    #expect(second.map(\.messageID) == ["c"])
    #expect(try take(&hub).isEmpty)
    for message in first + second {
      let token = try #require(message.lock?.token)
      try hub.engine.completeCloudToDevice(of: "d", token: token, now: hub.now)
    }
    #expect(hub.engine.storage.tables.cloudToDevice.isEmpty)
    #expect(feedback(hub) == ["a Success", "b Success", "c Success"])
  }

  @Test("who is refused")
  func refusals() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    _ = try hub.module("d", "m")
    _ = try hub.engine.putDevice(
      DeviceIdentityRequest(deviceID: "off", status: .disabled),
      ifMatch: .absent,
      now: hub.now
    )
    let large = [UInt8](repeating: 0, count: 65_537)
    for (key, body, expected) in [
      (IdentityKey(deviceID: "x"), [], HubErrorCode.deviceNotFound),
      (IdentityKey(deviceID: "off"), [], .deviceNotFound),
      (IdentityKey(deviceID: "d", moduleID: "m"), [], .invalidOperation),
      (IdentityKey(deviceID: "d"), large, .messageTooLarge),
      (IdentityKey(deviceID: "d"), Array(large.dropFirst()), nil),
    ] as [(IdentityKey, [UInt8], HubErrorCode?)] {
      let answer = code { () throws(HubError) in
        _ = try hub.engine.enqueue(
          CloudToDeviceRequest(recipient: key, body: body),
          now: .epoch
        )
      }
      #expect(answer == expected)
    }
    let answer = code { () throws(HubError) in
      _ = try hub.engine.enqueue(
        CloudToDeviceRequest(recipient: key, propertyByteCount: 1, body: Array(large.dropFirst())),
        now: .epoch
      )
    }
    #expect(answer == .messageTooLarge)
  }

  @Test("50 wait at most, those that are held included: 403004")
  func depth() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    for index in 0..<50 { _ = try enqueue(&hub, "\(index)") }
    _ = try take(&hub)
    #expect(
      code { () throws(HubError) in _ = try enqueue(&hub, "more") }
        == .deviceMaximumQueueDepthExceeded
    )
    #expect(try hub.engine.view.device("d").cloudToDeviceCount == 50)
  }

  @Test("a lost connection gives everything back in the old order, counted once more")
  func released() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    for id in ["a", "b", "c"] { _ = try enqueue(&hub, id) }
    _ = try take(&hub, 2)
    _ = hub.effects()
    try hub.engine.releaseCloudToDevice(of: "d", holder: ConnectionID(8), now: hub.now)
    #expect(hub.effects().isEmpty, "another connection holds nothing")
    try hub.engine.releaseCloudToDevice(of: "d", holder: connection, now: hub.now)
    #expect(hub.effects() == [.cloudToDeviceAvailable(deviceID: "d")])
    let again = try take(&hub)
    #expect(again.map(\.messageID) == ["a", "b", "c"])
    #expect(again.map(\.deliveryCount) == [2, 2, 1])
  }

  @Test("a newer connection takes over what an older one holds, an older one overtakes nothing")
  func takeOver() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    for id in ["a", "b", "c"] { _ = try enqueue(&hub, id) }
    let old = try #require(take(&hub, 1).first?.lock?.token)
    for (holder, limit, expected, counts) in [
      (8, 2, ["a", "b"], [2, 1]), (7, 16, [], []), (8, 16, ["c"], [1]),
    ] as [(UInt64, Int, [String], [Int])] {
      let taken = try hub.engine.takeCloudToDevice(
        of: "d",
        limit: limit,
        holder: ConnectionID(holder),
        hold: .connection,
        now: hub.now
      )
      #expect(taken.map(\.messageID) == expected)
      #expect(taken.map(\.deliveryCount) == counts)
    }
    #expect(
      code { () throws(HubError) in
        try hub.engine.completeCloudToDevice(of: "d", token: old, now: .epoch)
      } == .deviceMessageLockLost
    )
    // The old connection's end comes late and takes nothing away from the new one.
    try hub.engine.releaseCloudToDevice(of: "d", holder: connection, now: hub.now)
    #expect(hub.engine.storage.tables.cloudToDevice.allSatisfy { $0.lock != nil })
  }

  @Test("a restart gives everything back")
  func restarted() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    _ = try enqueue(&hub, "a")
    let token = try #require(take(&hub).first?.lock?.token)
    try hub.engine.releaseAllCloudToDevice(now: hub.now)
    #expect(
      code { () throws(HubError) in
        try hub.engine.completeCloudToDevice(of: "d", token: token, now: .epoch)
      } == .deviceMessageLockLost
    )
    #expect(try take(&hub).count == 1)
  }

  @Test("after ten deliveries a message is given up")
  func deliveryCount() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    _ = try enqueue(&hub, "a")
    for count in 1...10 {
      let message = try #require(take(&hub).first)
      #expect(message.deliveryCount == count)
      let token = try #require(message.lock?.token)
      try hub.engine.abandonCloudToDevice(of: "d", token: token, now: hub.now)
    }
    #expect(try take(&hub).isEmpty)
    #expect(feedback(hub) == ["a DeliveryCountExceeded"])
  }

  @Test("rejecting ends a message; its lock is worth nothing afterwards or elsewhere")
  func reject() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    _ = try hub.device("other")
    _ = try enqueue(&hub, "a")
    let token = try #require(take(&hub).first?.lock?.token)
    #expect(
      code { () throws(HubError) in
        try hub.engine.rejectCloudToDevice(of: "other", token: token, now: .epoch)
      } == .deviceMessageLockLost
    )
    try hub.engine.rejectCloudToDevice(of: "d", token: token, now: hub.now)
    #expect(feedback(hub) == ["a Rejected"])
    #expect(
      code { () throws(HubError) in
        try hub.engine.rejectCloudToDevice(of: "d", token: token, now: .epoch)
      } == .deviceMessageLockLost
    )
  }

  @Test("the lock of HTTP lapses after 60 s, that of MQTT does not")
  func lapse() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    for id in ["a", "b"] { _ = try enqueue(&hub, id) }
    _ = try take(&hub, 1)
    _ = try take(&hub, 1, hold: .timed)
    #expect(try hub.engine.view.nextCloudToDeviceDeadline() == hub.now.adding(seconds: 60))
    hub.now = hub.now.adding(seconds: 60)
    #expect(try hub.engine.sweepCloudToDevice(now: hub.now) == false)
    #expect(try take(&hub).map(\.messageID) == ["b"])
  }

  @Test(
    "a taker may ask for 5 to 300 s; the message comes back then and not before",
    arguments: [(4, false), (5, true), (300, true), (301, false), (0, false), (-1, false)]
      as [(Int64, Bool)]
  )
  func wantedLock(seconds: Int64, isTaken: Bool) throws {
    var hub = TestHub()
    _ = try hub.device("d")
    _ = try enqueue(&hub, "a")
    var taken: [CloudToDeviceMessage] = []
    let answer = code { () throws(HubError) in
      taken = try hub.engine.takeCloudToDevice(
        of: "d",
        limit: 1,
        holder: .http,
        hold: .timed,
        lockSeconds: seconds,
        now: hub.now
      )
    }
    #expect(answer == (isTaken ? nil : .argumentInvalid))
    #expect(taken.count == (isTaken ? 1 : 0))
    guard isTaken else { return #expect(try take(&hub, 1, hold: .timed).count == 1) }
    hub.now = hub.now.adding(seconds: seconds - 1)
    _ = try hub.engine.sweepCloudToDevice(now: hub.now)
    #expect(try take(&hub, 1, hold: .timed).isEmpty)
    hub.now = hub.now.adding(seconds: 1)
    _ = try hub.engine.sweepCloudToDevice(now: hub.now)
    #expect(try take(&hub, 1, hold: .timed).map(\.deliveryCount) == [2])
  }

  @Test("expiry: the default of an hour or the sender's; a held message does not expire")
  func expiry() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    _ = try enqueue(&hub, "held")
    _ = try take(&hub)
    _ = try enqueue(&hub, "default")
    _ = try enqueue(&hub, "own", expiry: hub.now.adding(seconds: 10))
    _ = try enqueue(&hub, "past", expiry: hub.now)
    #expect(try take(&hub, 1).map(\.messageID) == ["default"])
    try hub.engine.releaseCloudToDevice(of: "d", holder: connection, now: hub.now)
    hub.now = hub.now.adding(seconds: 10)
    _ = try hub.engine.sweepCloudToDevice(now: hub.now)
    #expect(Set(feedback(hub)) == ["past Expired", "own Expired"])
    #expect(try hub.engine.view.nextCloudToDeviceDeadline() == hub.now.adding(seconds: 3590))
    hub.now = hub.now.adding(seconds: 3590)
    #expect(try take(&hub).isEmpty, "expired ones are not delivered before the sweep either")
    #expect(hub.engine.storage.tables.cloudToDevice.isEmpty)
  }

  @Test("a sweep does a bounded part and says whether more is due")
  func boundedSweep() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    for index in 0..<5 { _ = try enqueue(&hub, "\(index)", expiry: hub.now) }
    #expect(try hub.engine.sweepCloudToDevice(now: hub.now, limit: 3))
    #expect(try hub.engine.sweepCloudToDevice(now: hub.now, limit: 3) == false)
    #expect(hub.engine.storage.tables.cloudToDevice.isEmpty)
  }

  @Test("purging counts and tells; an unknown device is 404001")
  func purge() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    _ = try hub.device("other")
    for id in ["a", "b"] { _ = try enqueue(&hub, id) }
    _ = try take(&hub, 1)
    #expect(try hub.engine.purgeCloudToDevice(of: "d", now: hub.now) == 2)
    #expect(try hub.engine.purgeCloudToDevice(of: "d", now: hub.now) == 0)
    #expect(feedback(hub) == ["a Purged", "b Purged"])
    #expect(
      code { () throws(HubError) in
        _ = try hub.engine.purgeCloudToDevice(of: "x", now: .epoch)
      } == .deviceNotFound
    )
  }

  @Test("which ends are reported for which wish")
  func acknowledgements() throws {
    for (ack, success, failure) in [
      (CloudToDeviceAcknowledgement.none, false, false), (.positive, true, false),
      (.negative, false, true), (.full, true, true),
    ] {
      var hub = TestHub()
      _ = try hub.device("d")
      for id in ["good", "bad"] { _ = try enqueue(&hub, id, ack: ack) }
      let tokens = try take(&hub).compactMap(\.lock?.token)
      try hub.engine.completeCloudToDevice(of: "d", token: tokens[0], now: hub.now)
      try hub.engine.rejectCloudToDevice(of: "d", token: tokens[1], now: hub.now)
      #expect(feedback(hub).contains("good Success") == success)
      #expect(feedback(hub).contains("bad Rejected") == failure)
    }
  }
}
