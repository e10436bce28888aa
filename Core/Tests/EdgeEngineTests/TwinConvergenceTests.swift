import ByteIO
import EdgeEngine
import HubContract
import JSONTree
import Testing

@Suite("Twins converge (edge contract 9.1, 9.2)")
struct TwinConvergenceTests {
  @Test("after lost links, lost answers and power cuts both sides agree", arguments: 1...60)
  func convergence(seed: UInt64) {
    var world = TwinWorld(seed: seed)
    for _ in 0..<1500 { world.step() }
    world.settle()
    world.check()
  }
}

/// The service, the edge and two clients, one of which subscribes to its desired properties.
///
/// The service and the clients remember everything; the edge has a disk that keeps what was committed.
/// Actions are done in order, and a power cut may come before any of them.
private struct TwinWorld {
  struct Service {
    var desired = JSONObject()
    var desiredVersion: UInt64 = 1
    var reported = JSONObject()
    var reportedVersion: UInt64 = 1
  }

  struct Client {
    var isConnected = false
    var isSubscribed = false
    /// What the client has reported, and been told that it is kept.
    var reported = JSONObject()
    /// The patch that is not answered yet; a client tries it again.
    var open: JSONObject?
    var desired = JSONObject()
    var desiredVersion: UInt64 = 0
    var reportedVersion: UInt64 = 0
    var hasRead = false
  }

  /// What is on its way to the edge.
  enum Answer {
    case twin(UInt64, [UInt8])
    case accepted(UInt64, UInt64)
    case refused(UInt64)
    case desired([UInt8], UInt64)
  }

  var generator: SeededGenerator
  var now = Instant(nanoseconds: 0)
  let keys = [IdentityKey(deviceID: "a"), IdentityKey(deviceID: "a", moduleID: "m")]
  var services: [IdentityKey: Service] = [:]
  var clients: [IdentityKey: Client] = [:]
  var disk: [IdentityKey: [UInt8]] = [:]
  var cache: TwinCache
  var answers: [(key: IdentityKey, at: Instant, answer: Answer)] = []
  var isCalm = false
  var faults: [String] = []

  init(seed: UInt64) {
    generator = SeededGenerator(seed: seed)
    cache = TwinCache()
    for key in keys {
      services[key] = Service()
      clients[key] = Client()
    }
  }

  private mutating func chance(_ percent: Int) -> Bool {
    Int.random(in: 0..<100, using: &generator) < percent
  }

  private mutating func patch(_ depth: Int = 2) -> JSONObject {
    var object = JSONObject()
    for _ in 0..<Int.random(in: 1..<4, using: &generator) {
      let key = ["p", "q", "r"].randomElement(using: &generator) ?? "p"
      switch Int.random(in: 0..<5, using: &generator) {
      case 0, 1: object[key] = .null
      case 2: object[key] = .int(Int64.random(in: 0..<9, using: &generator))
      default: object[key] = depth == 0 ? "s" : .object(patch(depth - 1))
      }
    }
    return object
  }

  mutating func step() {
    now = now.adding(milliseconds: UInt64.random(in: 0..<4000, using: &generator))
    arrive()
    perform(cache.timePassed(now: now))
    let key = keys[Int.random(in: 0..<keys.count, using: &generator)]
    switch Int.random(in: 0..<20, using: &generator) {
    case 0: link(up: true)
    case 1: link(up: false)
    case 2 where chance(30): powerCut()
    case 3, 4: connect(key)
    case 5: disconnect(key)
    case 6, 7, 8: read(key)
    case 9, 10, 11, 12: report(key)
    case 13, 14, 15, 16: changeDesired(key)
    default: break
    }
  }

  /// Everything works from here on, and nobody changes anything.
  mutating func settle() {
    isCalm = true
    link(up: false)
    link(up: true)
    for key in keys {
      connect(key)
      report(key, open: true)
    }
    for _ in 0..<2000 {
      now = now.adding(milliseconds: 500)
      arrive()
      perform(cache.timePassed(now: now))
    }
  }

  func check() {
    #expect(faults.isEmpty, "\(faults.prefix(3))")
    #expect(cache.changedCount == 0)
    for key in keys {
      guard let service = services[key], let client = clients[key] else { continue }
      #expect(service.reported == client.reported, "\(key): reported")
      #expect(service.desired == client.desired, "\(key): desired")
      let copy = try? JSON.parse(cache.document(key))
      let version = copy?["desired"]?["$version"]?.int64Value
      #expect(version == Int64(service.desiredVersion), "\(key): version")
      // A change that was taken back before anyone saw it is not told.
      #expect(client.desiredVersion <= service.desiredVersion, "\(key): version")
    }
  }

  // MARK: The service

  private func text(_ object: JSONObject, _ version: UInt64) -> JSONValue {
    var object = object
    object["$version"] = .int(Int64(version))
    return .object(object)
  }

  private mutating func send(_ key: IdentityKey, _ answer: Answer) {
    // Answers are lost, and overtake each other.
    if !isCalm, chance(15) { return }
    let delay = UInt64.random(in: 0..<(chance(10) ? 25_000 : 300), using: &generator)
    answers.append((key, now.adding(milliseconds: isCalm ? 10 : delay), answer))
  }

  private mutating func changeDesired(_ key: IdentityKey) {
    let patch = patch()
    services[key]?.desired.merge(patch: patch)
    services[key]?.desiredVersion += 1
    let version = services[key]?.desiredVersion ?? 0
    if cache.isUp, clients[key]?.isSubscribed == true {
      send(key, .desired(JSON.bytes(text(patch, version)), version))
    }
  }

  private mutating func arrive() {
    let due = answers.filter { $0.at <= now }
    answers.removeAll { $0.at <= now }
    for (key, _, answer) in due where cache.isUp {
      switch answer {
      case .twin(let exchange, let body):
        perform(cache.twinRead(key, exchange: exchange, body.span, now: now))
      case .accepted(let exchange, let version):
        perform(cache.reportedAccepted(key, exchange: exchange, version: version, now: now))
      case .refused(let exchange):
        let error = HubError(.serverError, "not now")
        perform(cache.reportedRefused(key, exchange: exchange, error, now: now))
      case .desired(let body, let version):
        perform(cache.desiredChanged(key, body.span, version: version, now: now))
      }
    }
  }

  private mutating func link(up: Bool) {
    answers = []
    perform(up ? cache.linkUp(now: now) : cache.linkDown(now: now))
  }

  // MARK: The edge

  private mutating func perform(_ actions: [TwinAction]) {
    for action in actions {
      if !isCalm, chance(1) { return powerCut() }
      perform(action)
    }
  }

  private mutating func powerCut() {
    answers = []
    cache = TwinCache()
    for key in keys {
      clients[key]?.isConnected = false
      clients[key]?.isSubscribed = false
      guard let record = disk[key] else { continue }
      do throws(TwinRecordFault) {
        try cache.restore(key, record.span)
      } catch {
        faults.append("\(error)")
      }
    }
  }

  private mutating func perform(_ action: TwinAction) {
    switch action {
    case .store(let key, let record): disk[key] = record
    case .forget(let key): disk[key] = nil
    case .readTwin(let key, let exchange):
      guard let service = services[key], cache.isUp else { return }
      let twin: JSONObject = [
        "desired": text(service.desired, service.desiredVersion),
        "reported": text(service.reported, service.reportedVersion),
      ]
      send(key, .twin(exchange, JSON.bytes(.object(twin))))
    case .sendReported(let key, let exchange, let patch):
      // The request is lost, is refused, or its answer may be lost.
      if !isCalm, chance(15) { return }
      if !isCalm, chance(10) { return send(key, .refused(exchange)) }
      let patch = (try? JSON.parse(patch))?.objectValue ?? [:]
      services[key]?.reported.merge(patch: patch)
      services[key]?.reportedVersion += 1
      send(key, .accepted(exchange, services[key]?.reportedVersion ?? 0))
    case .deliverDesired(let key, let version, let body): deliver(key, version, body)
    case .answerTwin(let key, _, let body): answer(key, body)
    case .answerReported(let key, _, let version):
      guard clients[key]?.isConnected == true else { return }
      if let patch = clients[key]?.open { clients[key]?.reported.merge(patch: patch) }
      clients[key]?.open = nil
      told(key, reported: version)
    case .refuse(_, _, let error): faults.append("\(error)")
    case .routeChange, .note: break
    }
  }

  // MARK: The clients

  private mutating func told(_ key: IdentityKey, reported version: UInt64) {
    if version < clients[key]?.reportedVersion ?? 0 { faults.append("\(key): reported went back") }
    clients[key]?.reportedVersion = version
  }

  private mutating func deliver(_ key: IdentityKey, _ version: UInt64, _ body: [UInt8]) {
    guard clients[key]?.isSubscribed == true else { return }
    // Lost with its connection.
    if !isCalm, chance(10) { return disconnect(key) }
    if version < clients[key]?.desiredVersion ?? 0 { faults.append("\(key): desired went back") }
    var patch = (try? JSON.parse(body))?.objectValue ?? [:]
    patch["$version"] = nil
    clients[key]?.desired.merge(patch: patch)
    clients[key]?.desiredVersion = version
    // The confirmation may be lost with the connection too.
    if !isCalm, chance(10) { return disconnect(key) }
    cache.desiredConfirmed(key, version: version)
  }

  private mutating func answer(_ key: IdentityKey, _ body: [UInt8]) {
    guard clients[key]?.isConnected == true, let twin = try? JSON.parse(body),
      var desired = twin["desired"]?.objectValue, var reported = twin["reported"]?.objectValue
    else { return }
    let version = UInt64(desired["$version"]?.int64Value ?? 0)
    if version < clients[key]?.desiredVersion ?? 0 { faults.append("\(key): desired went back") }
    told(key, reported: UInt64(reported["$version"]?.int64Value ?? 0))
    desired["$version"] = nil
    reported["$version"] = nil
    clients[key]?.desired = desired
    clients[key]?.desiredVersion = version
    // The client finds what it has reported, but for a patch whose answer it does not know.
    guard clients[key]?.open == nil else { return }
    if reported != clients[key]?.reported { faults.append("\(key): reads another report") }
  }

  private mutating func connect(_ key: IdentityKey) {
    guard clients[key]?.isConnected == false else { return }
    clients[key]?.isConnected = true
    clients[key]?.isSubscribed = true
    perform(cache.clientSubscribed(key, now: now))
    if clients[key]?.open != nil { report(key, open: true) }
  }

  private mutating func disconnect(_ key: IdentityKey) {
    clients[key]?.isConnected = false
    clients[key]?.isSubscribed = false
    perform(cache.clientLeft(key, now: now))
  }

  private mutating func read(_ key: IdentityKey) {
    guard clients[key]?.isConnected == true else { return }
    perform(cache.clientReads(key, request: 1, now: now))
  }

  private mutating func report(_ key: IdentityKey, open: Bool = false) {
    guard clients[key]?.isConnected == true, (clients[key]?.open != nil) == open else { return }
    if !open {
      let patch = patch()
      clients[key]?.open = patch
    }
    let body = JSON.bytes(.object(clients[key]?.open ?? [:]))
    perform(cache.clientReports(key, body.span, request: 1, now: now))
  }
}
