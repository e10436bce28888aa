import HubContract
import HubEngine
import Synchronization

/// A queue of the hub's own messages to services, whose competing consumers hold what they are given
/// until they settle it: feedback, or news of uploaded files (contract §8.2).
struct ServiceBoundQueue: Sendable {
  typealias Engine = HubStore.Engine

  /// What one consumer holds.
  struct Delivery: Sendable {
    let token: LockToken
    let contentType: String
    let enqueuedTime: Timestamp
    let body: [UInt8]
  }

  /// Hands out the next delivery, nil if there is none.
  let take: @Sendable (inout Engine, Timestamp) throws(HubError) -> Delivery?
  /// The consumer has it: it does not come again.
  let complete: @Sendable (inout Engine, LockToken, Timestamp) throws(HubError) -> Void
  /// The consumer gives it back.
  let abandon: @Sendable (inout Engine, LockToken, Timestamp) throws(HubError) -> Void
  /// Counts how often something became available.
  let changes: @Sendable (Hub) -> UInt64

  /// What became of cloud-to-device messages.
  static let feedback = ServiceBoundQueue(
    take: { engine, now throws(HubError) in
      guard let batch = try engine.takeFeedback(now: now) else { return nil }
      return Delivery(
        token: batch.token,
        contentType: FeedbackBatch.contentType,
        enqueuedTime: batch.enqueuedTime,
        body: batch.body
      )
    },
    complete: { engine, token, now throws(HubError) in
      try engine.completeFeedback(token, now: now)
    },
    abandon: { engine, token, now throws(HubError) in
      try engine.abandonFeedback(token, now: now)
    },
    changes: { $0.feedbackChanges.load(ordering: .acquiring) }
  )

  /// News of uploaded files, whose URLs begin with `endpoint`.
  static func fileNotifications(endpoint: String) -> ServiceBoundQueue {
    ServiceBoundQueue(
      take: { engine, now throws(HubError) in
        guard let held = try engine.takeFileNotification(now: now) else { return nil }
        return Delivery(
          token: held.token,
          contentType: FileNotification.contentType,
          enqueuedTime: held.notification.enqueuedTime,
          body: held.notification.body(endpoint: endpoint)
        )
      },
      complete: { engine, token, now throws(HubError) in
        try engine.completeFileNotification(token, now: now)
      },
      abandon: { engine, token, now throws(HubError) in
        try engine.abandonFileNotification(token, now: now)
      },
      changes: { $0.fileNotificationChanges.load(ordering: .acquiring) }
    )
  }
}

extension Hub {
  /// The queue of news of uploaded files.
  var fileNotifications: ServiceBoundQueue {
    // A port that the system picked is not known here.
    let port = [0, 443].contains(settings.httpsPort) ? "" : ":\(settings.httpsPort)"
    return .fileNotifications(endpoint: "https://\(settings.names.first ?? "localhost")\(port)")
  }
}
