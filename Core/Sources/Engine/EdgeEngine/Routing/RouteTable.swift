public import QueryLanguage

/// All routes of an edge: what every message is tried on (edge contract section 6.2).
///
/// A value that is made when the configuration changes. Every matching route gets the message; an
/// endpoint gets it once, with the highest priority among the routes that lead there, and of equal
/// priorities with the longest life.
public struct RouteTable: Sendable {
  /// What a message gets at one endpoint.
  public struct Delivery: Equatable, Sendable {
    /// Number of the endpoint in `endpoints`.
    public let endpoint: Int
    /// Number of the route in `routes` that decided.
    public let route: Int
    /// Its priority; 0 goes first.
    public let priority: UInt32
    /// How long the message may wait there.
    public let timeToLive: TimeToLive
  }

  /// The routes in the order in which they are tried: highest priority and longest life first.
  public let routes: [EdgeRoute]
  /// Where the routes lead, each once.
  public let endpoints: [RouteStatement.Sink]
  /// Whether some condition asks for the body.
  public var needsBody: Bool { conditions.needsBody }
  private let conditions: ConditionSet
  private let sources: [RouteSource]
  /// What each route needs while messages are tried.
  private let entries: [Entry]

  private struct Entry: Sendable {
    /// Number of its source in `sources`.
    let source: Int
    let delivery: Delivery
  }

  /// Joins `routes`, which are all of `profile`; `timeToLive` holds for those that say nothing.
  public init(
    _ routes: [EdgeRoute],
    timeToLive: TimeToLive,
    profile: Dialect.EdgeProfile = .lenient
  ) {
    // Where the first match decides, the table need not look for the best one.
    let ordered = routes.enumerated().sorted { one, other in
      if one.element.priority != other.element.priority {
        return one.element.priority < other.element.priority
      }
      let lives = (one.element.timeToLive ?? timeToLive, other.element.timeToLive ?? timeToLive)
      return lives.0 == lives.1 ? one.offset < other.offset : lives.0 > lives.1
    }.map(\.element)
    var sources: [RouteSource] = []
    var endpoints: [RouteStatement.Sink] = []
    entries = ordered.enumerated().map { number, route in
      Entry(
        source: Self.number(of: route.source, in: &sources),
        delivery: Delivery(
          endpoint: Self.number(of: route.statement.sink, in: &endpoints),
          route: number,
          priority: route.priority,
          timeToLive: route.timeToLive ?? timeToLive
        )
      )
    }
    self.routes = ordered
    self.sources = sources
    self.endpoints = endpoints
    conditions = ConditionSet(
      ordered.map(\.statement.condition),
      dialect: .edgeRouting(profile)
    )
  }

  private static func number<Element: Equatable>(
    of element: Element,
    in known: inout [Element]
  ) -> Int {
    if let number = known.firstIndex(of: element) { return number }
    known.append(element)
    return known.count - 1
  }

  /// The routes that messages of one source are tried on.
  ///
  /// Good for the table that it comes from. Whoever sends is asked once, not with each message.
  public struct Candidates: Sendable {
    /// Numbers of the routes in `routes`.
    fileprivate let routes: [Int]
  }

  /// The routes that messages of `source` are tried on.
  public func candidates(from source: MessageSource) -> Candidates {
    let isMatched = sources.map { $0.matches(source) }
    return Candidates(routes: entries.indices.filter { isMatched[entries[$0].source] })
  }

  /// The room that routing takes, for one thread.
  public func makeRouting() -> Routing { Routing(self) }

  /// Routes one message after the other; nothing is allocated for it.
  public struct Routing: Sendable {
    /// Where the last message goes, by falling priority; nowhere means that it is dropped.
    public private(set) var deliveries: [Delivery] = []
    private let table: RouteTable
    private var evaluation: ConditionSet.Evaluation
    private var isMatched: [Bool]
    private var isChosen: [Bool]

    fileprivate init(_ table: RouteTable) {
      self.table = table
      evaluation = table.conditions.makeEvaluation()
      isMatched = Array(repeating: false, count: table.sources.count)
      isChosen = Array(repeating: false, count: table.endpoints.count)
      deliveries.reserveCapacity(table.endpoints.count)
    }

    /// Tries `candidates`, which this routing's table has for the message's source, on `message`;
    /// `deliveries` has the answer.
    public mutating func route<Message: MessageFields & ~Copyable & ~Escapable>(
      _ message: borrowing Message,
      from candidates: Candidates
    ) {
      restart()
      for index in candidates.routes.indices { attempt(candidates.routes[index], message) }
    }

    /// Tries all routes on `message` of `source`; `deliveries` has the answer.
    public mutating func route<Message: MessageFields & ~Copyable & ~Escapable>(
      _ message: borrowing Message,
      from source: MessageSource
    ) {
      restart()
      for index in isMatched.indices { isMatched[index] = table.sources[index].matches(source) }
      for index in table.entries.indices where isMatched[table.entries[index].source] {
        attempt(index, message)
      }
    }

    private mutating func restart() {
      while let last = deliveries.popLast() { isChosen[last.endpoint] = false }
      evaluation.restart()
    }

    @inline(__always)
    private mutating func attempt<Message: MessageFields & ~Copyable & ~Escapable>(
      _ index: Int,
      _ message: borrowing Message
    ) {
      let endpoint = table.entries[index].delivery.endpoint
      guard !isChosen[endpoint], evaluation.evaluate(index, message) == .true else { return }
      isChosen[endpoint] = true
      deliveries.append(table.entries[index].delivery)
    }
  }
}
