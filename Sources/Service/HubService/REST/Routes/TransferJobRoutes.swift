import ByteIO
import Endpoints
import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree
import Platform

/// Exports and imports of all identities over blobs (contract "Jobs").
enum TransferJobRoutes {
  static let routes: [RESTRoute] = [
    RESTRoute(
      .post,
      "/jobs/create",
      id: "createTransferJob",
      tag: tag,
      "Exports all identities into a blob of this hub, or imports them out of one; the containers' URIs are signed, or storageAuthenticationType is identityBased.",
      access: .policy(.registryWrite),
      throttle: .registry,
      body: .json("TransferJobRequest"),
      successes: [
        RouteSuccess(status: 200, description: "The job, which waits.", schema: "TransferJob")
      ],
      faults: [.jobQuotaExceeded],
      handle: create
    ),
    RESTRoute(
      .get,
      "/jobs",
      id: "listTransferJobs",
      tag: tag,
      "Lists the exports and imports that are remembered, the newest first.",
      access: .policy(.registryRead),
      throttle: .registry,
      successes: [
        RouteSuccess(status: 200, description: "The jobs.", schema: "TransferJob", isArray: true)
      ],
      handle: list
    ),
    RESTRoute(
      .get,
      "/jobs/{jobId}",
      id: "getTransferJob",
      tag: tag,
      "Reads an export or import.",
      access: .policy(.registryRead),
      throttle: .registry,
      successes: [RouteSuccess(status: 200, description: "The job.", schema: "TransferJob")],
      faults: [.jobNotFound],
      handle: get
    ),
    RESTRoute(
      .delete,
      "/jobs/{jobId}",
      id: "cancelTransferJob",
      tag: tag,
      "Ends an export or import; what was imported stays.",
      access: .policy(.registryWrite),
      throttle: .registry,
      successes: [
        RouteSuccess(status: 200, description: "The job as it now is.", schema: "TransferJob")
      ],
      faults: [.jobNotFound, .operationNotAllowedInCurrentState],
      handle: cancel
    ),
  ]

  private static let tag = "Registry"

  private static func create(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let hub = service.hub
    let wish = try TransferJobRequest(json: try request.json())
    var input: BlobKey?
    if wish.kind == .import {
      let container = try container(wish.inputURI ?? "", .read, wish, hub, request)
      input = try key(container, wish.inputName, "inputBlobName")
    }
    let outputURI = wish.outputURI ?? wish.inputURI ?? ""
    let output = try key(
      try container(outputURI, [.create, .write], wish, hub, request),
      wish.kind == .export ? wish.outputName : TransferService.errorsName,
      "outputBlobName"
    )
    let job = TransferJob(
      id: Hex.encode(Entropy.bytes(16)),
      kind: wish.kind,
      input: input,
      output: output,
      excludesKeys: wish.excludesKeys,
      endpoint: "https://\(request.hostName(of: hub))",
      createdTime: request.now
    )
    try await hub.store.write { engine throws(HubError) in try engine.createTransfer(job) }
    hub.transfers.wake()
    return .json(.object(job.json))
  }

  /// The container that a URI names, if the caller may use it so.
  private static func container(
    _ uri: String,
    _ permissions: BlobPermissions,
    _ wish: TransferJobRequest,
    _ hub: Hub,
    _ request: RESTRequest
  ) throws -> String {
    let scheme = "https://"
    let authority = uri.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" }
    guard uri.hasPrefix(scheme), hub.answers(to: SASResource(decoded: String(authority)).host),
      let target = try? RequestTarget(uri), target.segments.count == 1,
      let container = target.segments.first, BlobKey.isContainer(container)
    else {
      throw HubError(
        .argumentInvalid,
        "The URI must be https://<this hub>/<container>?<signature>; POST /files/signatures makes one."
      )
    }
    if wish.isIdentityBased, target.query["sig"] == nil { return container }
    do throws(BlobRefusal) {
      let signature = try BlobSignature(query: target.query)
      guard signature.resource == .container else {
        throw .authentication("The signature is for one blob, not for the container.")
      }
      _ = try hub.files.check(
        signature,
        container: container,
        name: nil,
        now: request.now,
        skewSeconds: Int64(hub.settings.skewSeconds)
      )
      guard !signature.permissions.isDisjoint(with: permissions) else { throw .permission }
    } catch {
      throw HubError(.argumentInvalid, "The container's URI: \(error.message)")
    }
    return container
  }

  private static func key(
    _ container: String,
    _ name: String,
    _ member: String
  ) throws(HubError) -> BlobKey {
    guard let key = BlobKey(container: container, name: name) else {
      throw HubError(.argumentInvalid, "\(member) is no name of a blob.")
    }
    return key
  }

  private static func list(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let jobs = try await service.hub.store.read { view throws(HubError) in try view.transfers() }
    return .json(.array(jobs.map { .object($0.json) }))
  }

  private static func get(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let id = request.parameter("jobId")
    let jobs = try await service.hub.store.read { view throws(HubError) in try view.transfers() }
    guard let job = jobs.first(where: { $0.id == id }) else {
      throw HubError(.jobNotFound, "There is no import or export job \(id).")
    }
    return .json(.object(job.json))
  }

  private static func cancel(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let (id, now) = (request.parameter("jobId"), request.now)
    let job = try await service.hub.store.write { engine throws(HubError) in
      try engine.cancelTransfer(id, now: now)
    }
    return .json(.object(job.json))
  }
}
