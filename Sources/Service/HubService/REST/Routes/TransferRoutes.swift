import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree
import NIOCore

/// The whole registry as lines of JSON, out and in.
enum TransferRoutes {
  /// Bytes of an import at most.
  static let importLimit = 256 << 20
  /// Devices in one page of an export.
  private static let exportPage = 200
  private static let contentType = "application/x-ndjson; charset=utf-8"

  static let routes: [RESTRoute] = [
    RESTRoute(
      .get,
      "/registry/export",
      id: "exportRegistry",
      tag: "Registry",
      "Writes all identities and twins as lines of JSON; keys only for who may write as well.",
      access: .policy(.registryRead),
      throttle: .registry,
      parameters: ["Keys"],
      successes: [
        RouteSuccess(
          status: 200,
          description:
            "One identity a line, each device before its modules; every page is as of its reading.",
          schema: "RegistryLine",
          contentType: "application/x-ndjson"
        )
      ],
      handle: export
    ),
    RESTRoute(
      .post,
      "/registry/import",
      id: "importRegistry",
      tag: "Registry",
      "Carries out lines of JSON in their order; without importMode a line creates or updates. Such a line's scope is that of the edge device of the same ID in this hub, whose line may come later.",
      access: .policy(.registryWrite),
      throttle: .registry,
      body: .lines("RegistryLine"),
      successes: [
        RouteSuccess(
          status: 200,
          description: "All lines were read; the failures are listed.",
          schema: "ImportResult"
        )
      ],
      faults: [.messageTooLarge],
      handle: importLines
    ),
  ]

  private static func export(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let includesKeys = try request.flag("keys")
    if includesKeys, case .policy(let policy) = request.caller {
      try policy.authorize(.registryWrite)
    }
    let store = service.hub.store
    // Read before the head is written: a storage that fails still gets its status.
    let first = try await page(store, after: nil)
    let body = ResponseBody { writer in
      var page = first
      while true {
        var buffer = ByteBuffer()
        for element in page.elements {
          buffer.writeBytes(JSON.bytes(element.json(includingKeys: includesKeys)))
          buffer.writeInteger(UInt8(ascii: "\n"))
        }
        if buffer.readableBytes > 0 { try await writer.write(buffer) }
        guard let last = page.last else { break }
        page = try await Self.page(store, after: last)
      }
      try await writer.finish(nil)
    }
    return Response(status: .ok, headers: [.contentType: contentType], body: body)
  }

  private static func page(
    _ store: HubStore,
    after deviceID: String?
  ) async throws(HubError) -> (elements: [ExportImportDevice], last: String?) {
    try await store.read { view throws(HubError) in
      try view.export(after: deviceID, limit: exportPage)
    }
  }

  private static func importLines(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let reader = BodyReader(
      request: request.http,
      connection: request.connection,
      limit: importLimit
    )
    try reader.checkDeclaredLength()
    reader.announce()
    var importer = RegistryImporter(store: service.hub.store, now: request.now)
    var received = 0
    do {
      for try await buffer in request.http.body {
        received += buffer.readableBytes
        guard received <= importLimit else {
          throw HubError(
            .messageTooLarge,
            "The import has more than \(importLimit) bytes; \(importer.result.processed) lines were carried out."
          )
        }
        try await importer.append(Array(buffer.readableBytesView))
      }
      try await importer.finish()
    } catch {
      let known =
        error as? HubError
        ?? HubError(
          .iotHubFormatError,
          "The body broke off; \(importer.result.processed) lines were carried out."
        )
      var refusal = RESTRefusal(known)
      refusal.closesConnection = true
      throw refusal
    }
    return .json(importer.result.json)
  }
}
