import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import NIOCore

/// What became of cloud-to-device messages, by HTTPS (contract "Statistics, queue, digital twin").
enum FeedbackRoutes {
  static let routes: [RESTRoute] = [
    RESTRoute(
      .get,
      "/messages/serviceBound/feedback",
      id: "receiveFeedback",
      tag: "Cloud to device",
      "Takes the next feedback; complete or abandon it by its lock token.",
      access: .policy(.serviceConnect),
      successes: [
        RouteSuccess(
          status: 200,
          description: "The feedback, held for a minute.",
          schema: "Feedback",
          isArray: true,
          contentType: FeedbackBatch.contentType,
          headers: ["LockToken"]
        ),
        RouteSuccess(status: 204, description: "There is none."),
      ],
      handle: receive
    ),
    RESTRoute(
      .delete,
      "/messages/serviceBound/feedback/{lockToken}",
      id: "completeFeedback",
      tag: "Cloud to device",
      "Completes feedback: it does not come again.",
      access: .policy(.serviceConnect),
      successes: [RouteSuccess(status: 204, description: "Done.")],
      faults: [.deviceMessageLockLost],
      handle: complete
    ),
    RESTRoute(
      .post,
      "/messages/serviceBound/feedback/{lockToken}/abandon",
      id: "abandonFeedback",
      tag: "Cloud to device",
      "Gives feedback back, to be taken again.",
      access: .policy(.serviceConnect),
      successes: [RouteSuccess(status: 204, description: "Done.")],
      faults: [.deviceMessageLockLost],
      handle: abandon
    ),
  ]

  private static func receive(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let now = request.now
    let batch = try await service.hub.store.write { engine throws(HubError) in
      try engine.takeFeedback(now: now)
    }
    guard let batch else { return .noContent }
    var response = Response(
      status: .ok,
      headers: [.contentType: FeedbackBatch.contentType],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: batch.body))
    )
    response.headers[.eTag] = ETags.quoted("\(batch.token)")
    return response
  }

  private static func complete(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let (token, now) = (try request.lockToken(), request.now)
    try await service.hub.store.write { engine throws(HubError) in
      try engine.completeFeedback(token, now: now)
    }
    return .noContent
  }

  private static func abandon(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let (token, now) = (try request.lockToken(), request.now)
    try await service.hub.store.write { engine throws(HubError) in
      try engine.abandonFeedback(token, now: now)
    }
    return .noContent
  }
}

extension RESTRequest {
  /// The lock that the path names, with or without the quotes of the ETag it came in.
  ///
  /// - Throws: 412002 for a text that never was one.
  func lockToken() throws(HubError) -> LockToken {
    let text = parameter("lockToken")
    let bare =
      text.hasPrefix("\"") && text.hasSuffix("\"") && text.utf8.count >= 2
      ? String(text.dropFirst().dropLast()) : text
    guard let token = LockToken(bare) else {
      throw HubError(.deviceMessageLockLost, "The path names no lock that could be held.")
    }
    return token
  }
}
