import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

@Suite("Feedback (contract §8.2)")
struct FeedbackTests {
  private func hub(_ records: Int) throws -> TestHub {
    var hub = TestHub()
    let device = try hub.device("d")
    for index in 0..<records {
      _ = try hub.engine.enqueue(
        CloudToDeviceRequest(
          recipient: device.key,
          messageID: "m\(index)",
          acknowledgement: .full,
          body: []
        ),
        now: hub.now
      )
      _ = try hub.engine.purgeCloudToDevice(of: "d", now: hub.now)
    }
    _ = hub.engine.takeEffects()
    return hub
  }

  @Test("batches of 64 that competing consumers do not share")
  func batches() throws {
    var hub = try hub(100)
    let first = try #require(try hub.engine.takeFeedback(now: hub.now))
    let second = try #require(try hub.engine.takeFeedback(now: hub.now))
    #expect(first.records.count == 64)
    #expect(second.records.count == 36)
    #expect(try hub.engine.takeFeedback(now: hub.now) == nil)
    try hub.engine.completeFeedback(first.token, now: hub.now)
    #expect(hub.engine.storage.tables.feedback == second.records)
    try hub.engine.abandonFeedback(second.token, now: hub.now)
    #expect(hub.effects() == [.feedbackAvailable])
    #expect(try hub.engine.takeFeedback(now: hub.now)?.records == second.records)
  }

  @Test("the hold of 60 s ends by itself; then its token is worth nothing")
  func lapse() throws {
    var hub = try hub(1)
    let batch = try #require(try hub.engine.takeFeedback(now: hub.now))
    #expect(hub.engine.nextFeedbackDeadline == hub.now.adding(seconds: 60))
    hub.now = hub.now.adding(seconds: 60)
    for _ in 0..<2 {
      #expect(
        code { () throws(HubError) in
          try hub.engine.completeFeedback(batch.token, now: hub.now)
        } == .deviceMessageLockLost
      )
    }
    #expect(
      code { () throws(HubError) in
        try hub.engine.abandonFeedback(batch.token, now: hub.now)
      } == .deviceMessageLockLost
    )
    #expect(try hub.engine.takeFeedback(now: hub.now)?.records == batch.records)
  }

  @Test("records live an hour")
  func timeToLive() throws {
    var hub = try hub(3)
    #expect(try hub.engine.takeFeedback(now: hub.now.adding(seconds: 3600)) == nil)
    #expect(hub.engine.storage.tables.feedback.isEmpty)
  }

  @Test("records past their life go although nobody takes feedback, a few at a time")
  func sweep() throws {
    var hub = try hub(5)
    #expect(try !hub.engine.sweepFeedback(now: hub.now.adding(seconds: 3599)))
    #expect(hub.engine.storage.tables.feedback.count == 5)
    hub.now = hub.now.adding(seconds: 3600)
    #expect(try hub.engine.sweepFeedback(now: hub.now, limit: 3))
    #expect(hub.engine.storage.tables.feedback.count == 2)
    #expect(try !hub.engine.sweepFeedback(now: hub.now, limit: 3))
    #expect(hub.engine.storage.tables.feedback.isEmpty)
    #expect(try !hub.engine.sweepFeedback(now: hub.now))
  }

  @Test("a transaction that is undone leaves the holds as they were")
  func undone() throws {
    var hub = try hub(1)
    _ = try hub.engine.takeFeedback(now: hub.now)
    hub.engine.transactionUndone()
    let batch = try #require(try hub.engine.takeFeedback(now: hub.now))
    _ = hub.engine.takeEffects()
    hub.engine.storage.accessesUntilFault = 0
    #expect(throws: HubError.self) {
      try hub.engine.completeFeedback(batch.token, now: hub.now)
    }
    hub.engine.storage.accessesUntilFault = nil
    hub.engine.transactionUndone()
    try hub.engine.completeFeedback(batch.token, now: hub.now)
    #expect(hub.engine.storage.tables.feedback.isEmpty)
  }

  @Test("the body")
  func body() throws {
    var hub = try hub(1)
    let batch = try #require(try hub.engine.takeFeedback(now: hub.now))
    let generation = hub.engine.storage.tables.devices["d"]?.generationID ?? ""
    #expect(
      try JSON.parse(batch.body)
        == json(
          """
          [{"originalMessageId":"m0","enqueuedTimeUtc":"\(hub.now.iso8601)",
          "statusCode":"Purged","description":"Purged","deviceId":"d",
          "deviceGenerationId":"\(generation)"}]
          """
        )
    )
    #expect(batch.token.bytes.count == 16)
    #expect(LockToken(batch.token.description) == batch.token)
  }
}
