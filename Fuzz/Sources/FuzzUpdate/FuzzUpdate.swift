import ByteIO
import JSONTree
import Simulation
import UpdateEngine

/// Any bytes as what an update brings: the first byte says what the others are.
@c(LLVMFuzzerTestOneInput)
public func fuzzUpdate(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  guard let kind = bytes.first else { return 0 }
  let rest = Array(bytes.dropFirst())
  switch kind {
  case UInt8(ascii: "m"): checkMetadata(rest)
  case UInt8(ascii: "p"): checkPattern(rest)
  case UInt8(ascii: "c"): checkCanonical(rest)
  case UInt8(ascii: "r"): checkRecord(rest)
  case UInt8(ascii: "t"): checkTime(rest)
  default: break
  }
  return 0
}

/// Every signature is good and every hash is zero, so that what stands behind them is reached.
private struct Gullible: TUFCrypto {
  func isSigned(_ message: [UInt8], by key: TUFKey, _ signature: [UInt8]) -> Bool { true }

  func digest(_ bytes: [UInt8], _ hash: TUFHash) -> [UInt8] {
    [UInt8](repeating: 0, count: hash == .sha256 ? 32 : 64)
  }
}

/// The trusted root, then each file that the client asks for, divided by zeros; an empty one is absent.
private func checkMetadata(_ bytes: [UInt8]) {
  var parts = bytes.split(separator: 0, omittingEmptySubsequences: false).map(Array.init)[...]
  guard let root = parts.popFirst(),
    var client = try? TUFClient(root: root, crypto: Gullible())
  else { return }
  var version = client.root.head.version
  guard let step = follow(client.begin(now: 1_800_000_000), &client, &parts) else { return }
  precondition(step.next == .current, "an update ends with the latest metadata")
  precondition(client.root.head.version >= version, "the root went back")
  version = client.root.head.version
  guard let search = try? client.search("apps/a"),
    let end = follow(search, &client, &parts)
  else { return }
  if case .found(let finding) = end.next {
    precondition(finding.path == "apps/a" && !finding.target.hashes.isEmpty, "another target")
  }
  precondition(client.root.head.version == version, "a search changed the root")
}

private func follow(
  _ first: TUFStep,
  _ client: inout TUFClient<Gullible>,
  _ parts: inout ArraySlice<[UInt8]>
) -> TUFStep? {
  var step = first
  for _ in 0..<400 {
    for case .write(let name, _) in step.changes { checkName(name) }
    guard case .fetch(let fetch) = step.next else { return step }
    checkName(fetch.name)
    precondition((0...5 << 20).contains(fetch.maximumBytes), "a limit beyond the largest")
    let part = parts.popFirst() ?? []
    let next =
      part.isEmpty
      ? try? client.absent() : try? client.receive(Array(part.prefix(fetch.maximumBytes)))
    guard let next else { return nil }
    step = next
  }
  preconditionFailure("an update without end")
}

private func checkName(_ name: String) {
  precondition(!name.isEmpty && name != "." && name != "..", "a name that is a folder")
  precondition(
    name.utf8.allSatisfy { PercentCoding.isUnreserved($0) || $0 == UInt8(ascii: "%") },
    "a name that leads elsewhere"
  )
}

private func checkPattern(_ bytes: [UInt8]) {
  let parts = bytes.split(separator: 0, maxSplits: 1).map { String(decoding: $0, as: UTF8.self) }
  guard parts.count == 2 else { return }
  _ = TUFPathPattern.matches(parts[0], parts[1])
  precondition(
    TUFPathPattern.matches("*", parts[1]) != parts[1].utf8.contains(UInt8(ascii: "/")),
    "a star that takes a slash"
  )
}

private func checkCanonical(_ bytes: [UInt8]) {
  guard let value = try? JSON.parse(bytes), let canonical = CanonicalJSON.bytes(value) else {
    return
  }
  // With control characters in a text the canonical form is no JSON.
  guard canonical.allSatisfy({ $0 >= 0x20 }) else { return }
  let again = (try? JSON.parse(canonical)).flatMap { CanonicalJSON.bytes($0) }
  precondition(again == canonical, "another canonical form")
}

/// A record whose checksum is right may say anything: nothing starts that is not there.
private func checkRecord(_ bytes: [UInt8]) {
  var writer = ByteWriter()
  writer.append(bytes)
  writer.uint32LE(CRC32C().checksum(bytes.span))
  let disk = SimDisk(seed: 1)
  disk.place(writer.bytes, as: "slots.0")
  let trust = SimSlotTrust(SimCounter(1, beside: disk))
  guard var store = try? SlotStore(SimSlotDisk(disk), trust: trust) else { return }
  precondition(store.boot() == .recovery(floor: 1), "a set runs that is not there")
  precondition(store.floor == 1, "the floor rose for nothing")
}

private func checkTime(_ bytes: [UInt8]) {
  let text = String(decoding: bytes, as: UTF8.self)
  guard let seconds = TUFTime.seconds(text) else { return }
  precondition(TUFTime.text(seconds) == text, "another time")
}
