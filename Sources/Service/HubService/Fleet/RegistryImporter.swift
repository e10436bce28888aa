import HubContract
import HubEngine
import JSONTree

/// Carries out lines of an export file as they come, many in a transaction.
struct RegistryImporter: Sendable {
  /// Bytes of one line at most.
  static let lineLimit = 1 << 20
  /// Lines carried out in one transaction.
  static let batchLines = 100
  /// Bytes of lines at most that wait for the edge device they name as their parent; those beyond
  /// must stand behind it.
  static let waitingLimit = 64 << 20

  private let store: HubStore
  private let now: Timestamp
  private var lines = LineSplitter(limit: lineLimit)
  private var waiting = WaitingLines(limit: waitingLimit)
  /// What became of the lines so far.
  private(set) var result = ImportResult()

  init(store: HubStore, now: Timestamp) {
    self.store = store
    self.now = now
  }

  /// Takes more of the file.
  mutating func append(_ bytes: [UInt8]) async throws {
    lines.append(bytes)
    while lines.count >= Self.batchLines {
      let batch = lines.take(Self.batchLines)
      try await carryOut(batch)
    }
  }

  /// The file has ended: carries out what is left.
  mutating func finish() async throws {
    lines.finish()
    while lines.count > 0 {
      let batch = lines.take(Self.batchLines)
      try await carryOut(batch)
    }
    // Each round finds the parents that the one before has made; the last finds none.
    while !waiting.lines.isEmpty {
      let round = waiting.lines
      waiting = WaitingLines(
        limit: waiting.lines.count == waiting.lastRound ? 0 : Self.waitingLimit
      )
      waiting.lastRound = round.count
      for start in stride(from: 0, to: round.count, by: Self.batchLines) {
        try await carryOut(Array(round[start..<min(start + Self.batchLines, round.count)]))
      }
    }
  }

  private mutating func carryOut(_ lines: [LineSplitter.Line]) async throws {
    let (known, room, now) = (waiting.devices, waiting.room, now)
    let (failures, deferred) = try await store.write { engine throws(HubError) in
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
    result.add(failures, of: lines.count - deferred.lines.count)
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
struct ImportResult: Sendable {
  struct Failure: Sendable {
    let line: Int
    let key: IdentityKey?
    let error: HubError
  }

  /// Failures that are kept; their number is always exact.
  private static let reportedFailures = 1_000

  private(set) var processed = 0
  private(set) var failed = 0
  private(set) var failures: [Failure] = []

  mutating func add(_ failures: [Failure], of lineCount: Int) {
    processed += lineCount
    failed += failures.count
    self.failures += failures.prefix(Self.reportedFailures - self.failures.count)
  }

  /// The failures in the order of their lines.
  var errors: [JSONValue] {
    failures.sorted { $0.line < $1.line }.map { failure in
      [
        "line": .int(Int64(failure.line)),
        "deviceId": failure.key.map { .string($0.deviceID) } ?? .null,
        "moduleId": failure.key?.moduleID.map { .string($0) } ?? .null,
        "errorCode": .string(failure.error.code.name),
        "errorStatus": .string(failure.error.message),
      ]
    }
  }

  var json: JSONValue {
    [
      "isSuccessful": .bool(failed == 0), "processed": .int(Int64(processed)),
      "succeeded": .int(Int64(processed - failed)), "failed": .int(Int64(failed)),
      "errors": .array(errors),
    ]
  }
}
