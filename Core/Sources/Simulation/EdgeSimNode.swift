import ByteIO
import EdgeEngine
import MessageLog

/// The edge of a simulation between a start and a power cut: what it has in memory.
struct EdgeSimNode: ~Copyable {
  var store: EdgeStore<SimStoreDisks>
  var state: StateLog<SimDisk>
  var clock: EdgeClock
  var twins = TwinCache()
  /// Number of the endpoint upstream, and of the module's.
  let numbers: [UInt16]
  var upstream: QueueReader<SimFolder>
  var module: QueueReader<SimFolder>
  var nextID: EdgeMessageID
  /// The authority's certificate, and the local hub's.
  var authority: EdgeSimCertificate?
  var shown: EdgeSimCertificate?
  /// When making the authority anew failed, in seconds since 1970.
  var failedRenewal: Int64?
  private var keepsTime: Bool

  static let endpoints = [EdgeStore<SimStoreDisks>.upstream, "filter/in"]
  static let clockKey = "clock"

  static let configuration: EdgeStoreConfiguration = {
    var configuration = EdgeStoreConfiguration()
    configuration.upstreamSegmentBytes = 64 << 10
    configuration.moduleSegmentBytes = 16 << 10
    configuration.indexIntervalBytes = 4 << 10
    configuration.recordBytes = 4 << 10
    configuration.stagingBytes = 4 << 10
    configuration.uncommittedBytes = 64 << 10
    configuration.reserveBytes = 0
    // Four times a day, so that months pass quickly.
    configuration.expiryIntervalMilliseconds = 6 * 3_600_000
    return configuration
  }()

  static let stateConfiguration: StateLogConfiguration = {
    var configuration = StateLogConfiguration()
    configuration.segmentBytes = 32 << 10
    configuration.maximumValueBytes = 8 << 10
    configuration.maximumPendingBytes = 16 << 10
    return configuration
  }()

  /// Starts on what the disks have.
  init(
    _ disk: SimDisk,
    stateDisk: SimDisk,
    wall: UInt64,
    monotonic: Instant,
    generator: inout SeededGenerator,
    maxSizeBytes: UInt64? = nil
  ) throws {
    var state = try StateLog.open(
      stateDisk,
      configuration: Self.stateConfiguration,
      salt: generator.next()
    )
    let stored = try state.value(Self.clockKey).flatMap { Self.clockState($0) }
    authority = try state.value(EdgeSimCertificate.key).flatMap { EdgeSimCertificate($0) }
    var store = try EdgeStore.open(
      SimStoreDisks(disk),
      configuration: Self.configuration,
      salt: generator.next()
    )
    numbers = try store.configure(Self.endpoints, maxSizeBytes: maxSizeBytes)
    guard let upstreamDisk = store.disk(numbers[0]), let moduleDisk = store.disk(numbers[1]) else {
      preconditionFailure("an endpoint that was configured has a queue")
    }
    upstream = QueueReader(disk: upstreamDisk, windowByteCount: 16 << 10)
    module = QueueReader(disk: moduleDisk, windowByteCount: 4 << 10)
    nextID = EdgeMessageID(high: generator.next(), low: 0)
    clock = EdgeClock(stored, wall: wall, monotonic: monotonic)
    keepsTime = clock.state.keepsTime
    self.state = state
    self.store = store
  }

  /// The time now; whether the clock keeps time is stored as soon as that is in doubt.
  mutating func read(wall: UInt64, monotonic: Instant) -> EdgeTime {
    let time = clock.read(wall: wall, monotonic: monotonic)
    guard clock.state.keepsTime != keepsTime || store.isClockAwaited(time) else { return time }
    saveClock(time)
    return clock.read(wall: wall, monotonic: monotonic)
  }

  mutating func saveClock(_ time: EdgeTime) {
    let state = clock.state
    var writer = ByteWriter(capacity: 17)
    writer.uint64(state.calendar)
    writer.uint64(state.age)
    writer.uint8(state.keepsTime ? 1 : 0)
    guard (try? self.state.put(Self.clockKey, writer.bytes.span)) != nil else { return }
    // On a full disk it is tried again with the next one.
    guard (try? self.state.commit(now: time.calendar)) != nil else { return }
    keepsTime = state.keepsTime
    clock.saved(state)
  }

  private static func clockState(_ bytes: [UInt8]) -> EdgeClock.State? {
    var reader = ByteReader(bytes.span)
    guard let calendar = reader.uint64(), let age = reader.uint64(), let keeps = reader.uint8()
    else { return nil }
    return EdgeClock.State(calendar: calendar, age: age, keepsTime: keeps == 1)
  }
}
