import ByteIO
import Simulation
import Testing
import UpdateEngine

/// A device with two slots on a simulated disk.
struct SlotFixture {
  let disk = SimDisk(seed: 1)
  let counter: SimCounter

  init(floor: UInt64 = 0) { counter = SimCounter(floor, beside: disk) }

  /// A set whose files tell which one they are of.
  struct Made {
    let manifest: [UInt8]
    let bytes: [UInt8]
    let set: ReleaseSet

    var identity: SetIdentity {
      var digest = SimDigest()
      digest.update(manifest.span)
      return SetIdentity(release: set.release, floor: set.floor, digest: digest.finish())
    }
  }

  static func made(
    _ release: UInt64,
    floor: UInt64 = 0,
    sizes: [Int] = [700, 0, 1500],
    names: [String] = ["system", "empty", "app.img"]
  ) -> Made {
    var generator = SeededGenerator(seed: release)
    var files: [ReleaseFile] = []
    var all: [UInt8] = []
    for (index, size) in sizes.enumerated() {
      let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
      var digest = SimDigest()
      digest.update(bytes.span)
      files.append(
        ReleaseFile(
          name: names[index % names.count],
          byteCount: UInt64(size),
          digest: digest.finish()
        )
      )
      all += bytes
    }
    let set = ReleaseSet(release: release, floor: floor, files: files)
    return Made(manifest: SimSlotTrust.manifest(set), bytes: all, set: set)
  }

  static var configuration: SlotConfiguration {
    var configuration = SlotConfiguration()
    configuration.slotBytes = 8000
    configuration.trialTries = 2
    configuration.trialMilliseconds = 1000
    configuration.checkpointBytes = 600
    return configuration
  }

  func open() throws(SlotFault) -> SlotStore<SimSlotDisk, SimSlotTrust> {
    try SlotStore(
      SimSlotDisk(disk),
      trust: SimSlotTrust(counter),
      configuration: Self.configuration
    )
  }

  /// Downloads a set into the spare slot; answers how many bytes were fetched.
  @discardableResult
  static func install(
    _ made: Made,
    _ store: inout SlotStore<SimSlotDisk, SimSlotTrust>,
    allowsOlder: Bool = false
  ) throws(SlotFault) -> Int {
    guard case .from(let start) = try store.begin(made.manifest, allowsOlder: allowsOlder) else {
      return 0
    }
    var offset = Int(start)
    while offset < made.bytes.count {
      let count = min(256, made.bytes.count - offset)
      let chunk = Array(made.bytes[offset..<offset + count])
      try store.write(chunk.span, at: UInt64(offset))
      offset += count
    }
    try store.finish()
    return made.bytes.count - Int(start)
  }

  /// Installs, tries and confirms a set, as a device does that finds nothing wrong.
  static func update(
    _ made: Made,
    _ store: inout SlotStore<SimSlotDisk, SimSlotTrust>,
    allowsOlder: Bool = false
  ) throws(SlotFault) {
    try install(made, &store, allowsOlder: allowsOlder)
    try store.startTrial()
    guard case .trial(let slot, _, _) = store.boot() else { throw .nothingToTry }
    store.started(slot, now: Instant(nanoseconds: 0))
    try store.confirm(attested: made.identity.digest)
  }
}
