import ByteIO
import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree
import NIOCore

/// What devices do over HTTPS (contract "Device side: HTTPS").
enum DeviceSideRoutes {
  /// The content type of a batch of messages.
  static let batchContentType = "application/vnd.microsoft.iothub.json"

  private static let sendParameters = [
    "MessageID", "CorrelationID", "UserID", "To", "ContentTypeProperty",
    "ContentEncodingProperty", "Expiry", "ApplicationProperty",
  ]

  static let routes: [RESTRoute] = [
    send("/devices/{deviceId}/messages/events", "sendEvents"),
    send("/devices/{deviceId}/modules/{moduleId}/messages/events", "sendModuleEvents"),
    RESTRoute(
      .get,
      "/devices/{deviceId}/messages/deviceBound",
      id: "receiveMessage",
      tag: "Device side",
      "Takes the next message for the device; complete, reject or abandon it by its lock token.",
      access: .identity,
      shape: .module,
      parameters: ["MessageLockTimeout"],
      successes: [
        RouteSuccess(
          status: 200,
          description: "The message; its properties are headers that begin with iothub-.",
          schema: "Bytes",
          contentType: "application/octet-stream",
          headers: ["LockToken", "SequenceNumber", "EnqueuedTime", "DeliveryCount"]
        ),
        RouteSuccess(status: 204, description: "There is none."),
      ],
      handle: receive
    ),
    RESTRoute(
      .delete,
      "/devices/{deviceId}/messages/deviceBound/{lockToken}",
      id: "completeMessage",
      tag: "Device side",
      "Completes a message, or with `reject` rejects it.",
      access: .identity,
      shape: .module,
      parameters: ["Reject"],
      successes: [RouteSuccess(status: 204, description: "Done.")],
      faults: [.deviceMessageLockLost],
      handle: complete
    ),
    RESTRoute(
      .post,
      "/devices/{deviceId}/messages/deviceBound/{lockToken}/abandon",
      id: "abandonMessage",
      tag: "Device side",
      "Gives a message back, to be taken again.",
      access: .identity,
      shape: .module,
      successes: [RouteSuccess(status: 204, description: "Done.")],
      faults: [.deviceMessageLockLost],
      handle: abandon
    ),
  ]

  private static func send(_ path: String, _ id: String) -> RESTRoute {
    RESTRoute(
      .post,
      path,
      id: id,
      tag: "Device side",
      "Sends one message, or several with content type \(batchContentType).",
      access: .identity,
      shape: .module,
      throttle: .deviceToCloudSends,
      body: .bytes,
      parameters: sendParameters,
      successes: [RouteSuccess(status: 204, description: "All of it is durable.")],
      faults: [.messageTooLarge, .serviceUnavailable],
      handle: sendEvents
    )
  }

  private static func device(_ request: RESTRequest) throws -> DeviceCaller {
    guard case .identity(let caller) = request.caller else { throw RESTRefusal.unauthorized }
    return caller
  }

  private static func sendEvents(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let caller = try device(request)
    let type = request.header(.contentType)?.lowercased() ?? ""
    let messages: [(headers: MessageHeaders, body: [UInt8])] =
      type.hasPrefix(batchContentType)
      ? try batch(try request.json())
      : [(try MessageHeaders(request.http.headers), request.body)]
    let limit = service.hub.settings.quotas.deviceToCloudMessageBytes
    var bags: [[UInt8]] = []
    for message in messages {
      let bag = message.headers.bag
      do throws(PropertyFault) {
        try PropertyBag(bag.span).check(bodyBytes: message.body.count, limit: limit)
      } catch .messageTooLarge(let size) {
        throw HubError(.messageTooLarge, "The message has \(size) bytes, more than \(limit).")
      } catch {
        throw HubError(
          .argumentInvalid,
          "The message ID is longer than \(PropertyBag.messageIDLimit) bytes."
        )
      }
      bags.append(bag)
    }
    let stamp = EventStamp(
      identity: caller.identity,
      authMethod: caller.method,
      generationID: caller.generationID
    )
    try await service.append(
      zip(bags, messages).map { ($0, $1.body) },
      stamp: stamp,
      of: caller.identity
    )
    return .noContent
  }

  private static func batch(
    _ body: JSONValue
  ) throws(HubError) -> [(headers: MessageHeaders, body: [UInt8])] {
    guard let elements = body.arrayValue else {
      throw HubError(.deserializationError, "The body must be an array of messages.")
    }
    var messages: [(headers: MessageHeaders, body: [UInt8])] = []
    for (index, element) in elements.enumerated() {
      func invalid(_ what: String) -> HubError {
        HubError(.deserializationError, "Message \(index + 1): \(what)")
      }
      guard let message = element.objectValue else { throw invalid("it must be an object.") }
      guard let text = message["body"]?.stringValue else {
        throw invalid("body must be a string.")
      }
      var bytes = [UInt8](text.utf8)
      switch message["base64Encoded"] {
      case nil, .null, .bool(false): break
      case .bool(true):
        guard let decoded = Base64.decode(text) else { throw invalid("body is not base64.") }
        bytes = decoded
      default: throw invalid("base64Encoded must be true or false.")
      }
      var headers = MessageHeaders()
      if let properties = message["properties"], !properties.isNull {
        guard let properties = properties.objectValue else {
          throw invalid("properties must be an object.")
        }
        for (name, value) in properties {
          guard value.isNull || value.stringValue != nil else {
            throw invalid("properties may hold strings alone.")
          }
          headers.add(name, value.stringValue)
        }
      }
      try headers.check()
      messages.append((headers, bytes))
    }
    guard !messages.isEmpty else {
      throw HubError(.argumentInvalid, "The batch is empty; send at least one message.")
    }
    return messages
  }

  private static func receive(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let deviceID = try device(request).identity.deviceID
    let (seconds, now) = (try lockSeconds(request), request.now)
    let taken = try await service.hub.store.write { engine throws(HubError) in
      try engine.takeCloudToDevice(
        of: deviceID,
        limit: 1,
        holder: .http,
        hold: .timed,
        lockSeconds: seconds,
        now: now
      )
    }
    guard let message = taken.first, let lock = message.lock else { return .noContent }
    var response = Response(
      status: .ok,
      headers: MessageHeaders.fields(of: message),
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: message.body))
    )
    response.headers[.contentType] = "application/octet-stream"
    response.headers[.eTag] = ETags.quoted("\(lock.token)")
    return response
  }

  /// The time in `IotHub-MessageLockTimeout`, nil without; the engine knows its range.
  private static func lockSeconds(_ request: RESTRequest) throws(HubError) -> Int64? {
    guard let text = request.header(.messageLockTimeout), !text.isEmpty else { return nil }
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let seconds = Int64(text) else {
      throw HubError(.argumentInvalid, "IotHub-MessageLockTimeout must be whole seconds.")
    }
    return seconds
  }

  private static func complete(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let deviceID = try device(request).identity.deviceID
    let (token, now) = (try request.lockToken(), request.now)
    // The stock clients send the bare name.
    let isRejection = request.query("reject").map { $0 != "false" } ?? false
    try await service.hub.store.write { engine throws(HubError) in
      if isRejection {
        try engine.rejectCloudToDevice(of: deviceID, token: token, now: now)
      } else {
        try engine.completeCloudToDevice(of: deviceID, token: token, now: now)
      }
    }
    return .noContent
  }

  private static func abandon(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let deviceID = try device(request).identity.deviceID
    let (token, now) = (try request.lockToken(), request.now)
    try await service.hub.store.write { engine throws(HubError) in
      try engine.abandonCloudToDevice(of: deviceID, token: token, now: now)
    }
    return .noContent
  }
}
