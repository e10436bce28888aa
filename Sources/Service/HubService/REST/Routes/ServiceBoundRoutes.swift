import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import NIOCore

/// The hub's own messages to services, by HTTPS: feedback, and news of uploaded files (contract
/// "Statistics, queue, digital twin").
enum ServiceBoundRoutes {
  static let routes: [RESTRoute] =
    make(
      "/messages/serviceBound/feedback",
      id: "Feedback",
      tag: "Cloud to device",
      of: "feedback",
      schema: "Feedback",
      isArray: true,
      contentType: FeedbackBatch.contentType
    ) { _ in .feedback }
    + make(
      "/messages/serviceBound/filenotifications",
      id: "FileNotification",
      tag: "Files",
      of: "news of an uploaded file",
      schema: "FileNotification",
      isArray: false,
      contentType: FileNotification.contentType
    ) { $0.fileNotifications }

  private static func make(
    _ path: String,
    id: String,
    tag: String,
    of what: String,
    schema: String,
    isArray: Bool,
    contentType: String,
    queue: @escaping @Sendable (Hub) -> ServiceBoundQueue
  ) -> [RESTRoute] {
    [
      RESTRoute(
        .get,
        path,
        id: "receive\(id)",
        tag: tag,
        "Takes the next \(what); complete or abandon it by its lock token.",
        access: .policy(.serviceConnect),
        successes: [
          RouteSuccess(
            status: 200,
            description: "The \(what), held for a minute.",
            schema: schema,
            isArray: isArray,
            contentType: contentType,
            headers: ["LockToken"]
          ),
          RouteSuccess(status: 204, description: "There is none."),
        ],
        handle: { service, request in
          try await receive(service, request, queue(service.hub))
        }
      ),
      RESTRoute(
        .delete,
        "\(path)/{lockToken}",
        id: "complete\(id)",
        tag: tag,
        "Completes \(what): it does not come again.",
        access: .policy(.serviceConnect),
        successes: [RouteSuccess(status: 204, description: "Done.")],
        faults: [.deviceMessageLockLost],
        handle: { service, request in
          try await settle(service, request, queue(service.hub).complete)
        }
      ),
      RESTRoute(
        .post,
        "\(path)/{lockToken}/abandon",
        id: "abandon\(id)",
        tag: tag,
        "Gives \(what) back, to be taken again.",
        access: .policy(.serviceConnect),
        successes: [RouteSuccess(status: 204, description: "Done.")],
        faults: [.deviceMessageLockLost],
        handle: { service, request in
          try await settle(service, request, queue(service.hub).abandon)
        }
      ),
    ]
  }

  private static func receive(
    _ service: RESTService,
    _ request: RESTRequest,
    _ queue: ServiceBoundQueue
  ) async throws -> Response {
    let now = request.now
    let delivery = try await service.hub.store.write { engine throws(HubError) in
      try queue.take(&engine, now)
    }
    guard let delivery else { return .noContent }
    var response = Response(
      status: .ok,
      headers: [.contentType: delivery.contentType],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: delivery.body))
    )
    response.headers[.eTag] = ETags.quoted("\(delivery.token)")
    return response
  }

  private static func settle(
    _ service: RESTService,
    _ request: RESTRequest,
    _ outcome:
      @escaping @Sendable (inout HubStore.Engine, LockToken, Timestamp) throws(HubError) -> Void
  ) async throws -> Response {
    let (token, now) = (try request.lockToken(), request.now)
    try await service.hub.store.write { engine throws(HubError) in
      try outcome(&engine, token, now)
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
