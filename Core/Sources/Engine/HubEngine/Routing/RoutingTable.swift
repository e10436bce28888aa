public import HubContract
public import QueryLanguage

/// A routing configuration, compiled: what every message is tried on (contract §9.1, §9.2).
///
/// It is a value that is made when the configuration changes and read by all loops. Deciding is one
/// synchronous pass. Where every route of a source is unconditional and nothing is added, `constant`
/// is the whole answer: no property is looked at, nothing is allocated.
///
/// Not its business: where an endpoint stands, and whether it works. What it decides is written into
/// the record, once.
public struct RoutingTable: Sendable {
  /// Whether some condition asks for the body.
  public private(set) var needsBody = false
  /// What conditions and enrichments ask of the sender's twin.
  public private(set) var twinProjection = TwinProjection()
  /// The enabled routes, by the number of their source.
  private var routes: [[CompiledRoute]] = Array(
    repeating: [],
    count: EventSource.allCases.count + 1
  )
  private var constants: [EventRouting?] = Array(
    repeating: nil,
    count: EventSource.allCases.count + 1
  )
  private var enrichments: [CompiledEnrichment] = []
  private var fallback: EventDestinations = []
  /// What `$iothubname` stands for.
  let hubName: String
  private let messageBytes: Int

  /// All telemetry goes to the built-in stream, everything else nowhere.
  public static let builtIn = RoutingTable()

  private init() {
    hubName = ""
    messageBytes = .max
    fallback = .events
    findConstants()
  }

  /// Compiles `configuration`, whose endpoints have their slots.
  ///
  /// - Throws: the first route that can't be used, and why.
  public init(
    _ configuration: RoutingConfiguration,
    hubName: String,
    quotas: Quotas = Quotas()
  ) throws(RouteFault) {
    self.hubName = hubName
    messageBytes = quotas.deviceToCloudMessageBytes
    for route in configuration.routes {
      let destinations = try configuration.destinations(of: route.endpointNames)
      let compiled = try CompiledRoute(route, destinations)
      guard route.isEnabled else { continue }
      routes[Int(route.source.rawValue)].append(compiled)
      needsBody = needsBody || compiled.condition.needsBody
      for path in compiled.condition.twinPaths { twinProjection.add(path) }
    }
    for enrichment in configuration.enrichments {
      let destinations = try configuration.destinations(of: enrichment.endpointNames)
      let compiled = CompiledEnrichment(enrichment, destinations)
      enrichments.append(compiled)
      if let path = compiled.twinPath { twinProjection.add(path) }
    }
    let fallbackDestinations = try configuration.destinations(
      of: configuration.fallback.endpointNames
    )
    if configuration.fallback.isEnabled { fallback = fallbackDestinations }
    findConstants()
  }

  /// Whether some condition or enrichment asks for the sender's twin.
  public var needsTwin: Bool { !twinProjection.isEmpty }

  private mutating func findConstants() {
    for source in EventSource.allCases {
      let index = Int(source.rawValue)
      guard routes[index].allSatisfy(\.condition.isAlwaysTrue) else { continue }
      let all = routes[index].reduce(into: EventDestinations()) { $0.formUnion($1.destinations) }
      let destinations = routes[index].isEmpty && source == .telemetry ? fallback : all
      guard enrichments(of: source, at: destinations).isEmpty else { continue }
      constants[index] = EventRouting(destinations)
    }
  }

  /// What is decided for every message of `source`, if that needs no look at the message.
  public func constant(_ source: EventSource) -> EventRouting? { constants[Int(source.rawValue)] }

  /// Whether any message of `source` can go anywhere, so that making one is worth its cost.
  public func wants(_ source: EventSource) -> Bool {
    constants[Int(source.rawValue)].map { !$0.destinations.isEmpty } ?? true
  }

  /// Tries the routes of `source` on `message`.
  ///
  /// - Parameters:
  ///   - source: which routes it is tried on.
  ///   - message: what they ask.
  ///   - byteCount: its size as contract §3.4 counts it: where additions take it above the limit of
  ///     a message, it does not go.
  /// - Returns: where it goes, and what is added to it there; no destination means that it is dropped.
  public func decide<Message: MessageFields & ~Copyable & ~Escapable>(
    _ source: EventSource,
    _ message: borrowing Message,
    byteCount: Int
  ) -> EventRouting {
    let index = Int(source.rawValue)
    if let constant = constants[index] { return constant }
    var destinations: EventDestinations = []
    var isMatched = false
    for route in routes[index] {
      // A route that adds nothing need not be asked, but the fallback asks whether any matched.
      if isMatched, destinations.isSuperset(of: route.destinations) { continue }
      guard route.condition.evaluate(message) == .true else { continue }
      isMatched = true
      destinations.formUnion(route.destinations)
    }
    if !isMatched, source == .telemetry { destinations = fallback }
    return enriched(source, destinations, message, byteCount)
  }

  private func enriched<Message: MessageFields & ~Copyable & ~Escapable>(
    _ source: EventSource,
    _ destinations: EventDestinations,
    _ message: borrowing Message,
    _ byteCount: Int
  ) -> EventRouting {
    var routing = EventRouting(destinations)
    let wanted = enrichments(of: source, at: destinations)
    guard !wanted.isEmpty else { return routing }
    let twin = wanted.contains { $0.twinPath != nil } ? message.twin() : nil
    var growth: [(EventDestinations, Int)] = []
    for enrichment in wanted {
      let value = enrichment.value(hubName: hubName, twin: twin)
      let places = enrichment.destinations.intersection(destinations)
      routing.enrich(enrichment.key, value, at: places)
      growth.append((places, enrichment.key.utf8.count + value.utf8.count))
    }
    for bit in 0..<UInt32.bitWidth {
      let place = EventDestinations(rawValue: 1 << UInt32(bit))
      guard destinations.contains(place) else { continue }
      let added = growth.reduce(0) { $1.0.contains(place) ? $0 + $1.1 : $0 }
      if added > 0, byteCount > messageBytes - added { routing.remove(place) }
    }
    return routing
  }

  private func enrichments(
    of source: EventSource,
    at destinations: EventDestinations
  ) -> [CompiledEnrichment] {
    guard !enrichments.isEmpty, source != .digitalTwinChange else { return [] }
    return enrichments.filter { !$0.destinations.isDisjoint(with: destinations) }
  }

  /// The names of the enabled routes of `source` that `message` matches, for people who try them.
  public func matches<Message: MessageFields & ~Copyable & ~Escapable>(
    _ source: EventSource,
    _ message: borrowing Message
  ) -> [String] {
    var names: [String] = []
    for route in routes[Int(source.rawValue)] where route.condition.evaluate(message) == .true {
      names.append(route.name)
    }
    return names
  }
}

extension RoutingConfiguration {
  /// The bits of endpoints by their names.
  func destinations(of names: [String]) throws(RouteFault) -> EventDestinations {
    var destinations: EventDestinations = []
    for name in names {
      if name.lowercased() == Self.builtInEndpoint {
        destinations.insert(.events)
      } else if let endpoint = endpoints.first(where: {
        $0.name.lowercased() == name.lowercased()
      }) {
        destinations.formUnion(endpoint.destination)
      } else {
        throw .unknownEndpoint(name)
      }
    }
    return destinations
  }
}
