import ByteIO
import JSONTree
import Testing
import UpdateEngine

/// A repository with its keys, and the files that it has put out.
struct TUFFixture {
  static let crypto = TestCrypto()
  static let now: Int64 = 1_800_000_000
  static let late: Int64 = 4_000_000_000

  /// Keys that are at hand, by their value.
  var keys: Set<String> = []
  private(set) var repository: TUFRepository
  /// What a server has.
  private(set) var files: [String: [UInt8]] = [:]
  let firstRoot: [UInt8]

  static func key(_ name: String) -> TUFKey { TUFKey(.ed25519, value: name) }

  static func identifier(_ name: String) -> String { key(name).identifier(crypto) ?? "" }

  static func signers(_ names: [String], _ threshold: Int) -> TUFSigners {
    TUFSigners(keyIDs: names.map(identifier), threshold: threshold)
  }

  static func keyed(_ names: [String]) -> [String: TUFKey] {
    Dictionary(names.map { (identifier($0), key($0)) }) { first, _ in first }
  }

  static func root(
    _ version: Int64 = 1,
    expires: Int64 = late,
    root: [String] = ["r1", "r2", "r3"],
    timestamp: [String] = ["t1"],
    snapshot: [String] = ["s1"],
    isConsistent: Bool = true
  ) -> TUFRoot {
    TUFRoot(
      head: TUFHead(version: version, expires: expires),
      isConsistent: isConsistent,
      keys: keyed(root + timestamp + snapshot + ["g1", "g2"]),
      roles: [
        .root: signers(root, 2), .timestamp: signers(timestamp, 1),
        .snapshot: signers(snapshot, 1), .targets: signers(["g1", "g2"], 2),
      ]
    )
  }

  static func target(_ text: String) -> TUFTarget {
    TUFTarget(
      length: Int64(text.utf8.count),
      hashes: [.sha256: crypto.digest(Array(text.utf8), .sha256)],
      custom: ["release": 7]
    )
  }

  init(_ root: TUFRoot = root()) throws(TUFFault) {
    keys = ["r1", "r2", "r3", "t1", "s1", "g1", "g2", "a1", "a2"]
    let all = keys
    let (repository, file) = try TUFRepository.begin(root, Self.crypto) { key, message in
      all.contains(key.value) ? TestCrypto.signature(key, message) : nil
    }
    self.repository = repository
    firstRoot = file.bytes
    put([file])
  }

  private var sign: TUFSign {
    let keys = keys
    return { key, message in
      keys.contains(key.value) ? TestCrypto.signature(key, message) : nil
    }
  }

  mutating func put(_ files: [TUFFile]) {
    for file in files { self.files[file.name] = file.bytes }
  }

  mutating func remove(_ name: String) { files[name] = nil }

  mutating func rotate(_ root: TUFRoot) throws(TUFFault) {
    put([try repository.rotate(to: root, Self.crypto, sign: sign)])
  }

  mutating func publish(
    _ changed: [String: TUFTargets],
    timestamp: Int64 = late,
    snapshot: Int64 = late
  ) throws(TUFFault) {
    let expiries = TUFRepository.Expiries(timestamp: timestamp, snapshot: snapshot)
    put(try repository.publish(changed, expiries, Self.crypto, sign: sign))
  }

  mutating func stamp(_ expires: Int64 = late) throws(TUFFault) {
    put([try repository.stamp(expires, Self.crypto, sign: sign)])
  }

  /// One file of targets with `paths`.
  static func targets(_ paths: [String], expires: Int64 = late) -> TUFTargets {
    var targets = TUFTargets(head: TUFHead(version: 1, expires: expires))
    for path in paths { targets.targets[path] = target(path) }
    return targets
  }

  /// A repository with something in it.
  static func filled() throws(TUFFault) -> TUFFixture {
    var fixture = try TUFFixture()
    try fixture.publish(["targets": targets(["a", "b/c"])])
    return fixture
  }

  func client(_ stored: [String: [UInt8]] = [:]) throws(TUFFault) -> TUFClient<TestCrypto> {
    try TUFClient(root: stored["root.json"] ?? firstRoot, stored: stored, crypto: Self.crypto)
  }
}

/// What a client keeps, and what it asked a server for.
struct TUFStore {
  var stored: [String: [UInt8]] = [:]
  var asked: [String] = []

  /// Does what steps say, with the files of one server, until there is nothing to fetch.
  mutating func follow<Crypto>(
    _ first: TUFStep,
    _ client: inout TUFClient<Crypto>,
    _ files: [String: [UInt8]]
  ) throws(TUFFault) -> TUFNext {
    var step = first
    while true {
      for change in step.changes {
        switch change {
        case .write(let name, let bytes): stored[name] = bytes
        case .remove(let name): stored[name] = nil
        }
      }
      guard case .fetch(let fetch) = step.next else { return step.next }
      asked.append(fetch.name)
      guard let bytes = files[fetch.name] else {
        step = try client.absent()
        continue
      }
      guard bytes.count <= fetch.maximumBytes else {
        throw .tooLong(file: fetch.name, limit: fetch.maximumBytes)
      }
      step = try client.receive(bytes)
    }
  }

  /// One whole update; a client that starts anew each time, as after a restart.
  mutating func update(
    _ fixture: TUFFixture,
    now: Int64 = TUFFixture.now
  ) throws(TUFFault) -> TUFClient<TestCrypto> {
    asked = []
    var client = try fixture.client(stored)
    _ = try follow(client.begin(now: now), &client, fixture.files)
    return client
  }

  func fault(_ fixture: TUFFixture, now: Int64 = TUFFixture.now) -> TUFFault? {
    var copy = self
    do throws(TUFFault) {
      _ = try copy.update(fixture, now: now)
      return nil
    } catch {
      return error
    }
  }
}
