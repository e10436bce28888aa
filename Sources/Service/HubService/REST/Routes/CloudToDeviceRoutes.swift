import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree

/// The service's side of cloud-to-device queues over HTTPS; sending is our own addition, since the
/// stock clients send by AMQP.
enum CloudToDeviceRoutes {
  static let routes: [RESTRoute] = [
    RESTRoute(
      .post,
      "/devices/{deviceId}/messages/deviceBound",
      id: "sendToDevice",
      tag: "Cloud to device",
      "Queues a message for a device.",
      access: .policy(.serviceConnect),
      throttle: .cloudToDeviceSends,
      body: .bytes,
      parameters: [
        "MessageID", "CorrelationID", "UserID", "ContentTypeProperty", "ContentEncodingProperty",
        "Expiry", "Acknowledgement", "ApplicationProperty",
      ],
      successes: [
        RouteSuccess(status: 201, description: "It is queued.", schema: "QueuedMessage")
      ],
      faults: [.deviceNotFound, .deviceMaximumQueueDepthExceeded, .messageTooLarge],
      handle: send
    ),
    RESTRoute(
      .delete,
      "/devices/{deviceId}/commands",
      id: "purgeQueue",
      tag: "Cloud to device",
      "Empties a device's queue.",
      access: .policy(.serviceConnect),
      throttle: .cloudToDeviceSends,
      successes: [RouteSuccess(status: 200, description: "It is empty.", schema: "PurgeResult")],
      faults: [.deviceNotFound],
      handle: purge
    ),
  ]

  private static func send(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let deviceID = try request.deviceID()
    var headers = try MessageHeaders(request.http.headers)
    let messageID = headers[.messageID] ?? "\(RequestID())"
    if headers[.messageID] == nil { headers.system.insert((.messageID, messageID), at: 0) }
    let bag = PropertyBagWriter.devicebound(
      deviceID: deviceID,
      system: headers.system.map { ($0.0, $0.1) },
      acknowledgement: headers.acknowledgement,
      application: headers.application
    )
    let message = CloudToDeviceRequest(
      recipient: IdentityKey(deviceID: deviceID),
      messageID: messageID,
      acknowledgement: headers.acknowledgement ?? .none,
      expiryTime: headers[.expiry].flatMap { Timestamp(iso8601: $0) },
      properties: bag,
      propertyByteCount: PropertyBag(bag.span).countedBytes,
      body: request.body
    )
    let now = request.now
    let sequence = try await service.hub.store.write { engine throws(HubError) in
      try engine.enqueue(message, now: now)
    }
    return .json(
      ["messageId": .string(messageID), "sequenceNumber": .int(Int64(clamping: sequence))],
      status: 201
    )
  }

  private static func purge(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let deviceID = try request.deviceID()
    let now = request.now
    let count = try await service.hub.store.write { engine throws(HubError) in
      try engine.purgeCloudToDevice(of: deviceID, now: now)
    }
    return .json([
      "totalMessagesPurged": .int(Int64(count)), "deviceId": .string(deviceID), "moduleId": nil,
    ])
  }
}
