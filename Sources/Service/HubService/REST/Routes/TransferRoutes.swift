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
  /// Bytes of lines at most that wait for the edge device they name as their parent; those beyond
  /// must stand behind it.
  static let waitingLimit = 64 << 20
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
    var lines = LineSplitter(limit: lineLimit)
    var result = ImportResult()
    var waiting = WaitingLines(limit: waitingLimit)
    var received = 0
    do {
      for try await buffer in request.http.body {
        received += buffer.readableBytes
        guard received <= importLimit else {
          throw HubError(
            .messageTooLarge,
            "The import has more than \(importLimit) bytes; \(result.processed) lines were carried out."
          )
        }
        lines.append(buffer.readableBytesView)
        while lines.count >= batchLines {
          try await carryOut(lines.take(batchLines), service, request.now, &result, &waiting)
        }
      }
      lines.finish()
      while lines.count > 0 {
        try await carryOut(lines.take(batchLines), service, request.now, &result, &waiting)
      }
      // Each round finds the parents that the one before has made; the last finds none.
      while !waiting.lines.isEmpty {
        let round = waiting.lines
        waiting = WaitingLines(limit: waiting.lines.count == waiting.lastRound ? 0 : waitingLimit)
        waiting.lastRound = round.count
        for start in stride(from: 0, to: round.count, by: batchLines) {
          let batch = Array(round[start..<min(start + batchLines, round.count)])
          try await carryOut(batch, service, request.now, &result, &waiting)
        }
      }
    } catch {
      let known =
        error as? HubError
        ?? HubError(
          .iotHubFormatError,
          "The body broke off; \(result.processed) lines were carried out."
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
    _ result: inout ImportResult,
    _ waiting: inout WaitingLines
  ) async throws(HubError) {
    let (known, room) = (waiting.devices, waiting.room)
    let (failures, deferred) = try await service.hub.store.write { engine throws(HubError) in
      var failures: [ImportResult.Failure] = []
      var deferred = WaitingLines(limit: room)
      for line in lines {
        var element: ExportImportDevice?
        do throws(HubError) {
          let read = try Self.element(line)
          element = read
          // A device that waits takes its modules along.
          if known.contains(read.deviceID) || deferred.devices.contains(read.deviceID),
            deferred.add(line, of: read)
          {
            continue
          }
          try engine.apply(read, now: now)
        } catch {
          if engine.fault != nil { throw error }
          if error.code == .invalidDeviceScope, let element, element.importMode == nil,
            deferred.add(line, of: element)
          {
            continue
          }
          failures.append(
            ImportResult.Failure(line: line.number, key: element?.key, error: error)
          )
        }
      }
      return (failures, deferred)
    }
    waiting.add(deferred)
    result.processed += lines.count - deferred.lines.count
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

/// Lines of children whose edge device has not come yet: an export is ordered by ID alone.
private struct WaitingLines: Sendable {
  private let limit: Int
  /// How many waited before the last round.
  var lastRound = 0
  private(set) var lines: [LineSplitter.Line] = []
  /// Whose lines wait.
  private(set) var devices: Set<String> = []
  private var byteCount = 0

  init(limit: Int) { self.limit = limit }

  /// Bytes of lines that may still be added.
  var room: Int { limit - byteCount }

  mutating func add(_ others: WaitingLines) {
    lines += others.lines
    devices.formUnion(others.devices)
    byteCount += others.byteCount
  }

  /// Keeps a line for the next round; false if there is no room, or no next round.
  mutating func add(_ line: LineSplitter.Line, of element: ExportImportDevice) -> Bool {
    let size = line.bytes?.count ?? 0
    guard byteCount + size < limit else { return false }
    byteCount += size
    lines.append(line)
    devices.insert(element.deviceID)
    return true
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
        failures.sorted { $0.line < $1.line }.map { failure in
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
