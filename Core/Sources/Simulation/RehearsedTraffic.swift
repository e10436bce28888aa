import ByteIO
public import EdgeEngine
public import HubContract

/// What devices and modules send while an edge's routes are rehearsed: recorded messages, generated
/// ones, or both.
public struct RehearsedTraffic: Sendable {
  /// A message, without its time.
  public struct Message: Equatable, Sendable {
    /// Who sends it.
    public var sender: IdentityKey
    /// What its source is, as routes ask for it.
    public var source: MessageSource
    /// Its properties, encoded as in a topic.
    public var bag: [UInt8]
    /// Its body.
    public var body: [UInt8]

    /// Creates a message.
    public init(sender: IdentityKey, source: MessageSource, bag: [UInt8], body: [UInt8]) {
      self.sender = sender
      self.source = source
      self.bag = bag
      self.body = body
    }
  }

  /// A message that comes over and over again: once in each interval, at a moment that the seed picks.
  public struct Generator: Equatable, Sendable {
    /// The message.
    public var message: Message
    /// How long an interval is, in microseconds.
    public var intervalMicroseconds: UInt64

    /// Creates a generator; an interval of 0 counts as one of 1.
    public init(_ message: Message, intervalMicroseconds: UInt64) {
      self.message = message
      self.intervalMicroseconds = max(intervalMicroseconds, 1)
    }
  }

  /// Recorded messages, in the order of their times, which are milliseconds since the start.
  public var recorded: [(milliseconds: UInt64, message: Message)]
  /// What is generated beside them.
  public var generators: [Generator]

  /// Joins both; `recorded` may be in any order.
  public init(
    recorded: [(milliseconds: UInt64, message: Message)] = [],
    generators: [Generator] = []
  ) {
    self.recorded = recorded.enumerated()
      .sorted { ($0.element.milliseconds, $0.offset) < ($1.element.milliseconds, $1.offset) }
      .map(\.element)
    self.generators = generators
  }
}

/// Gives the messages of a `RehearsedTraffic` one after the other.
struct RehearsedMessages {
  private let traffic: RehearsedTraffic
  private var random: SeededGenerator
  private var nextRecorded = 0
  /// For each generator, the interval that comes next, and the moment in it in microseconds.
  private var turns: [(interval: UInt64, moment: UInt64)] = []

  init(_ traffic: RehearsedTraffic, seed: UInt64) {
    self.traffic = traffic
    random = SeededGenerator(seed: seed)
    for generator in traffic.generators { turns.append(Self.turn(0, of: generator, &random)) }
  }

  private static func turn(
    _ interval: UInt64,
    of generator: RehearsedTraffic.Generator,
    _ random: inout SeededGenerator
  ) -> (interval: UInt64, moment: UInt64) {
    let length = generator.intervalMicroseconds
    return (interval, interval &* length &+ UInt64.random(in: 0..<length, using: &random))
  }

  /// When the next message comes, in milliseconds; nil if none does.
  var nextMoment: UInt64? {
    let generated = turns.map { $0.moment / 1000 }.min()
    guard nextRecorded < traffic.recorded.count else { return generated }
    return min(traffic.recorded[nextRecorded].milliseconds, generated ?? .max)
  }

  /// The next message that comes before `end`, and its time in milliseconds; nil if none does.
  mutating func next(
    before end: UInt64
  ) -> (milliseconds: UInt64, message: RehearsedTraffic.Message)? {
    var best: Int?
    for index in turns.indices where best.map({ turns[index].moment < turns[$0].moment }) ?? true {
      best = index
    }
    if nextRecorded < traffic.recorded.count {
      let recorded = traffic.recorded[nextRecorded]
      if best.map({ recorded.milliseconds <= turns[$0].moment / 1000 }) ?? true {
        guard recorded.milliseconds < end else { return nil }
        nextRecorded += 1
        return recorded
      }
    }
    guard let best, turns[best].moment / 1000 < end else { return nil }
    let milliseconds = turns[best].moment / 1000
    let generator = traffic.generators[best]
    turns[best] = Self.turn(turns[best].interval + 1, of: generator, &random)
    return (milliseconds, generator.message)
  }
}
