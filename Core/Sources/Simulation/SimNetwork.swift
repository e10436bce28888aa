public import ByteIO

/// How a simulated network treats what is sent.
public struct SimNetworkConditions: Equatable, Sendable {
  /// Datagrams that vanish, in thousandths.
  public var lossPerMille = 0
  /// Datagrams that arrive twice, in thousandths.
  public var duplicatePerMille = 0
  /// How long anything is under way, in milliseconds; datagrams overtake each other within it.
  public var delayMilliseconds: ClosedRange<UInt64> = 1...1
  /// Longest piece in which a stream's bytes arrive.
  public var chunkByteCount = 1460
  /// How long a stream survives without any path, in milliseconds, before both ends see a reset.
  public var resetMilliseconds: UInt64 = 30_000

  /// A network without faults.
  public init() {}
}

/// What reaches a node.
public enum SimDelivery: Equatable, Sendable {
  /// A datagram.
  case datagram(from: Int, to: Int, bytes: [UInt8])
  /// A stream that another node opened.
  case opened(stream: Int, from: Int, to: Int)
  /// The next bytes of a stream.
  case bytes(stream: Int, to: Int, bytes: [UInt8])
  /// The other end will send no more.
  case finished(stream: Int, to: Int)
  /// The stream broke; bytes may be missing at its end.
  case reset(stream: Int, to: Int)
}

/// A network of numbered nodes in virtual time: datagrams and byte streams as values.
///
/// Datagrams are lost, duplicated, delayed and reordered. A stream keeps its bytes and their order,
/// but not their boundaries: pieces are cut by the seed. While two nodes are parted, datagrams
/// between them vanish and streams stand still; what a stream holds arrives after healing, or both
/// ends see a reset.
public struct SimNetwork: Sendable {
  private struct Stream: Sendable {
    /// Who opened it, and who was called.
    let ends: [Int]
    /// When the last piece towards each end arrives: the next one comes after it.
    var lastArrival: [Instant]
    /// Since when there has been no path.
    var partedSince: Instant?
  }

  private enum Event: Sendable {
    case datagram(from: Int, to: Int, bytes: [UInt8])
    case stream(Int, SimDelivery)
    case retry(Int)
  }

  /// How the network treats what is sent from now on.
  public var conditions = SimNetworkConditions()
  private var scheduler: SimScheduler<Event>
  private var generator: SeededGenerator
  private var streams: [Int: Stream] = [:]
  /// What streams hold back while their ends are parted, in order.
  private var held: [Int: [SimDelivery]] = [:]
  /// What streams held back and may now arrive, before anything that was sent later.
  private var released: [SimDelivery] = []
  private var nextStream = 1
  /// The side of the partition on which each node is; those not named are on side 0.
  private var sides: [Int: Int] = [:]

  /// Creates a network that repeats itself for a seed.
  public init(seed: UInt64) {
    scheduler = SimScheduler(seed: seed)
    generator = SeededGenerator(seed: ~seed)
  }

  // MARK: - Parting and healing

  /// Parts the nodes: those of a group reach each other only; the nodes of no group stay together.
  public mutating func part(_ groups: [[Int]]) {
    sides = [:]
    for (index, group) in groups.enumerated() {
      for node in group { sides[node] = index + 1 }
    }
  }

  /// Lets every node reach every other again.
  public mutating func heal() { sides = [:] }

  /// Whether a path leads from one node to the other.
  public func isConnected(_ first: Int, _ second: Int) -> Bool {
    sides[first, default: 0] == sides[second, default: 0]
  }

  // MARK: - Sending

  /// Sends a datagram.
  public mutating func send(_ bytes: [UInt8], from: Int, to: Int) {
    guard !happens(conditions.lossPerMille) else { return }
    let copies = happens(conditions.duplicatePerMille) ? 2 : 1
    for _ in 0..<copies {
      scheduler.schedule(
        .datagram(from: from, to: to, bytes: bytes),
        afterMilliseconds: delay()
      )
    }
  }

  /// Opens a stream from one node to another; answers its number.
  public mutating func open(from: Int, to: Int) -> Int {
    let stream = nextStream
    nextStream += 1
    streams[stream] = Stream(ends: [from, to], lastArrival: [scheduler.now, scheduler.now])
    transmit(.opened(stream: stream, from: from, to: to), stream: stream, to: to)
    return stream
  }

  /// Writes to a stream from the end at node `from`; false if the stream is gone.
  @discardableResult
  public mutating func write(_ bytes: [UInt8], stream: Int, from: Int) -> Bool {
    guard let to = otherEnd(of: stream, from: from) else { return false }
    var start = 0
    while start < bytes.count {
      let longest = max(1, min(conditions.chunkByteCount, bytes.count - start))
      let count = Int.random(in: 1...longest, using: &generator)
      let piece = Array(bytes[start..<start + count])
      transmit(.bytes(stream: stream, to: to, bytes: piece), stream: stream, to: to)
      start += count
    }
    return true
  }

  /// Ends one direction of a stream, after what was written.
  public mutating func finish(stream: Int, from: Int) {
    guard let to = otherEnd(of: stream, from: from) else { return }
    transmit(.finished(stream: stream, to: to), stream: stream, to: to)
  }

  /// Breaks a stream: both ends see a reset, and what is under way is lost.
  public mutating func reset(stream: Int) {
    guard let ends = streams.removeValue(forKey: stream)?.ends else { return }
    held[stream] = nil
    for end in ends {
      scheduler.schedule(.stream(0, .reset(stream: stream, to: end)), afterMilliseconds: delay())
    }
  }

  // MARK: - Receiving

  /// When the next thing happens; nil if nothing is under way.
  public var nextInstant: Instant? {
    mutating get { released.isEmpty ? scheduler.nextInstant : scheduler.now }
  }

  /// The time up to which everything was delivered.
  public var now: Instant { scheduler.now }

  /// Moves time to `instant` and takes the next delivery due by then; nil if there is none.
  public mutating func next(until instant: Instant) -> SimDelivery? {
    while true {
      if !released.isEmpty { return released.removeFirst() }
      guard let event = scheduler.next(until: instant) else { return nil }
      switch event {
      case .datagram(let from, let to, let bytes):
        if isConnected(from, to) { return .datagram(from: from, to: to, bytes: bytes) }
      case .stream(0, let delivery): return delivery
      case .stream(let stream, let delivery):
        if let delivery = arrive(delivery, stream: stream) { return delivery }
      case .retry(let stream): retry(stream)
      }
    }
  }

  /// A piece arrives, or waits behind those that could not.
  private mutating func arrive(_ delivery: SimDelivery, stream: Int) -> SimDelivery? {
    guard let state = streams[stream] else { return nil }
    if held[stream] == nil, isConnected(state.ends[0], state.ends[1]) { return delivery }
    if held[stream] == nil {
      streams[stream]?.partedSince = scheduler.now
      scheduler.schedule(.retry(stream), afterMilliseconds: 200)
    }
    held[stream, default: []].append(delivery)
    return nil
  }

  /// Sends again what a stream holds if there is a path, or gives the stream up.
  private mutating func retry(_ stream: Int) {
    guard let state = streams[stream], let since = state.partedSince else { return }
    if isConnected(state.ends[0], state.ends[1]) {
      released += held.removeValue(forKey: stream) ?? []
      streams[stream]?.partedSince = nil
    } else if scheduler.now.milliseconds(since: since) >= conditions.resetMilliseconds {
      reset(stream: stream)
    } else {
      scheduler.schedule(.retry(stream), afterMilliseconds: 200)
    }
  }

  private func otherEnd(of stream: Int, from: Int) -> Int? {
    guard let ends = streams[stream]?.ends else { return nil }
    return ends[0] == from ? ends[1] : ends[0]
  }

  /// Schedules a piece after all that were sent to the same end before.
  private mutating func transmit(_ delivery: SimDelivery, stream: Int, to: Int) {
    guard let state = streams[stream] else { return }
    let end = state.ends[0] == to ? 0 : 1
    let earliest = Instant(nanoseconds: state.lastArrival[end].nanoseconds + 1)
    let instant = max(scheduler.now.adding(milliseconds: delay()), earliest)
    streams[stream]?.lastArrival[end] = instant
    scheduler.schedule(.stream(stream, delivery), at: instant)
  }

  private mutating func delay() -> UInt64 {
    UInt64.random(in: conditions.delayMilliseconds, using: &generator)
  }

  private mutating func happens(_ perMille: Int) -> Bool {
    perMille > 0 && Int.random(in: 0..<1000, using: &generator) < perMille
  }
}
