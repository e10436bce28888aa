import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree
import Platform

/// Where a device uploads files, and what became of it (contract "Device side: HTTPS").
enum UploadRoutes {
  static let routes: [RESTRoute] = [
    RESTRoute(
      .post,
      "/devices/{deviceId}/files",
      id: "createUpload",
      tag: tag,
      "Asks where to upload a file; the answer's parts make the URL https://{hostName}/{containerName}/{blobName}{sasToken}, which takes the storage service's own requests.",
      access: .identity,
      shape: .module,
      body: .json("UploadRequest"),
      successes: [RouteSuccess(status: 200, description: "Where to.", schema: "Upload")],
      faults: [.defaultStorageEndpointNotConfigured, .deviceMaximumActiveFileUploadLimitExceeded],
      handle: begin
    ),
    RESTRoute(
      .post,
      "/devices/{deviceId}/files/notifications",
      id: "completeUpload",
      tag: tag,
      "Says what became of an upload; services are told of a success.",
      access: .identity,
      shape: .module,
      body: .json("UploadOutcome"),
      successes: [RouteSuccess(status: 204, description: "Done.")],
      faults: [
        .defaultStorageEndpointNotConfigured, .invalidFileUploadCorrelationID,
        .expiredFileUploadCorrelationID, .invalidOperation,
      ],
      handle: complete
    ),
  ]

  private static let tag = "Device side"

  private static func begin(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let hub = service.hub
    let deviceID = try deviceID(hub, request)
    let (wish, now) = (try FileUploadRequest(json: try request.json()), request.now)
    let upload = try await hub.store.write { engine throws(HubError) in
      try engine.beginUpload(of: deviceID, wish, now: now)
    }
    let query = hub.files.sign(upload.key, [.read, .write], until: upload.expiryTime)
    return .json([
      "correlationId": .string(upload.correlationID),
      "hostName": .string(request.hostName(of: hub)),
      "containerName": .string(upload.key.container),
      "blobName": .string(upload.key.urlName),
      "sasToken": .string("?\(query)"),
    ])
  }

  private static func complete(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let deviceID = try deviceID(service.hub, request)
    let (outcome, now) = (try FileUploadOutcome(json: try request.json()), request.now)
    try await service.hub.store.write { engine throws(HubError) in
      try engine.completeUpload(of: deviceID, outcome, now: now)
    }
    return .noContent
  }

  private static func deviceID(_ hub: Hub, _ request: RESTRequest) throws -> String {
    guard case .identity(let caller) = request.caller else { throw RESTRefusal.unauthorized }
    guard hub.settings.isFileUploadEnabled else {
      throw HubError(
        .defaultStorageEndpointNotConfigured,
        "This hub takes no files: files.enabled is false."
      )
    }
    return caller.identity.deviceID
  }
}
