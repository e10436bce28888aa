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
  /// Bytes of one line at most.
  static let lineLimit = 1 << 20
  /// Lines carried out in one transaction.
  static let batchLines = 100
  /// Failures that an answer tells; their number is always exact.
  static let reportedFailures = 1000
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
      "Carries out lines of JSON in their order; without importMode a line creates or updates.",
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
    var lines = LineSplitter(limit: lineLimit)
    var result = ImportResult()
    var received = 0
    do {
      for try await buffer in request.http.body {
        received += buffer.readableBytes
        guard received <= importLimit else {
          throw HubError(
            .messageTooLarge,
            "The import has more than \(importLimit) bytes; the first \(result.processed) lines were carried out."
          )
        }
        lines.append(buffer.readableBytesView)
        while lines.count >= batchLines {
          try await carryOut(lines.take(batchLines), service, request.now, &result)
        }
      }
      lines.finish()
      while lines.count > 0 {
        try await carryOut(lines.take(batchLines), service, request.now, &result)
      }
    } catch {
      let known =
        error as? HubError
        ?? HubError(
          .iotHubFormatError,
          "The body broke off; the first \(result.processed) lines were carried out."
        )
      var refusal = RESTRefusal(known)
      refusal.closesConnection = true
      throw refusal
    }
    return .json(result.json)
  }

  private static func carryOut(
    _ lines: [LineSplitter.Line],
    _ service: RESTService,
    _ now: Timestamp,
    _ result: inout ImportResult
  ) async throws(HubError) {
    let failures = try await service.hub.store.write { engine throws(HubError) in
      var failures: [ImportResult.Failure] = []
      for line in lines {
        var key: IdentityKey?
        do throws(HubError) {
          let element = try Self.element(line)
          key = element.key
          try engine.apply(element, now: now)
        } catch {
          if engine.fault != nil { throw error }
          failures.append(ImportResult.Failure(line: line.number, key: key, error: error))
        }
      }
      return failures
    }
    result.processed += lines.count
    result.failed += failures.count
    result.failures += failures.prefix(reportedFailures - result.failures.count)
  }

  private static func element(_ line: LineSplitter.Line) throws(HubError) -> ExportImportDevice {
    guard let bytes = line.bytes else {
      throw HubError(.messageTooLarge, "The line has more than \(lineLimit) bytes.")
    }
    return try ExportImportDevice(json: try RequestBody.parse(bytes, limit: lineLimit))
  }
}

/// What became of an import.
private struct ImportResult: Sendable {
  struct Failure: Sendable {
    let line: Int
    let key: IdentityKey?
    let error: HubError
  }

  var processed = 0
  var failed = 0
  var failures: [Failure] = []

  var json: JSONValue {
    [
      "isSuccessful": .bool(failed == 0), "processed": .int(Int64(processed)),
      "succeeded": .int(Int64(processed - failed)), "failed": .int(Int64(failed)),
      "errors": .array(
        failures.map { failure in
          [
            "line": .int(Int64(failure.line)),
            "deviceId": failure.key.map { .string($0.deviceID) } ?? .null,
            "moduleId": failure.key?.moduleID.map { .string($0) } ?? .null,
            "errorCode": .string(failure.error.code.name),
            "errorStatus": .string(failure.error.message),
          ]
        }
      ),
    ]
  }
}
