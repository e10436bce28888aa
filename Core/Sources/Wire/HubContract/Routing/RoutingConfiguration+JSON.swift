public import JSONTree

extension RoutingConfiguration {
  /// Reads the configuration's JSON form (contract §9.1, §9.2), and checks what needs no compiling:
  /// names, limits, references.
  ///
  /// Conditions are checked where they are compiled. Slots and the endpoints that drain are read only
  /// `asStored`: they are the hub's.
  ///
  /// - Throws: 400012 for a member of another type, 400005 for a missing one, 400004 for one that
  ///   breaks a rule.
  public init(
    json: JSONValue,
    quotas: Quotas = Quotas(),
    asStored: Bool = false
  ) throws(HubError) {
    let fields = try BodyFields(json)
    endpoints = try Self.endpoints("endpoints", of: fields, asStored: asStored)
    if asStored {
      draining = try Self.endpoints("drainingEndpoints", of: fields, asStored: true)
    }
    for item in try fields.list("routes") { routes.append(try Route(item)) }
    if let item = try fields.fields("fallbackRoute") { fallback = try Route(fallback: item) }
    for item in try fields.list("enrichments") { enrichments.append(try Enrichment(item)) }
    try check(quotas)
  }

  private static func endpoints(
    _ key: String,
    of fields: BodyFields,
    asStored: Bool
  ) throws(HubError) -> [RoutingEndpoint] {
    var endpoints: [RoutingEndpoint] = []
    guard let kinds = try fields.fields(key) else { return endpoints }
    for kind in EndpointKindName.allCases {
      for item in try kinds.list(kind.rawValue) {
        endpoints.append(try RoutingEndpoint(item, kind: kind, asStored: asStored))
      }
    }
    return endpoints
  }

  /// The JSON form; slots are in it only `asStored`, endpoints that drain only if there are any.
  public func json(asStored: Bool = false) -> JSONValue {
    var object: JSONObject = [
      "endpoints": Self.json(endpoints, asStored: asStored),
      "routes": .array(routes.map(\.json)),
      "fallbackRoute": fallback.json,
      "enrichments": .array(enrichments.map(\.json)),
    ]
    if !draining.isEmpty {
      object["drainingEndpoints"] = Self.json(draining, asStored: asStored)
    }
    return .object(object)
  }

  private static func json(_ endpoints: [RoutingEndpoint], asStored: Bool) -> JSONValue {
    var kinds = JSONObject()
    for kind in EndpointKindName.allCases {
      kinds[kind.rawValue] = .array(
        endpoints.filter { $0.kindName == kind }.map { $0.json(asStored: asStored) }
      )
    }
    return .object(kinds)
  }

  /// Gives slots to endpoints: the one it had to an endpoint of the same name and kind in
  /// `previous`, the next free one behind all that were in use to a new one.
  ///
  /// What is delivered to and has no place here any more drains, beside what drained before. An
  /// endpoint that finds all slots in use gets 0. A slot that was given up is used again as late as
  /// possible.
  ///
  /// - Returns: the last slot that was given, to be `after` the next time.
  public mutating func assignSlots(keeping previous: RoutingConfiguration, after last: Int) -> Int {
    var used = Set((previous.endpoints + previous.draining).map(\.slot))
    var last = last
    for index in endpoints.indices {
      let name = endpoints[index].name.trimmedLowercase()
      let kind = endpoints[index].kindName
      if let old = previous.endpoints.first(where: {
        $0.name.trimmedLowercase() == name && $0.kindName == kind
      }) {
        endpoints[index].slot = old.slot
        continue
      }
      endpoints[index].slot = 0
      for step in 1...EventDestinations.slots.count {
        let slot = (max(last, 0) - 1 + step) % EventDestinations.slots.count + 1
        guard used.insert(slot).inserted else { continue }
        endpoints[index].slot = slot
        last = slot
        break
      }
    }
    let kept = Set(endpoints.map(\.slot))
    draining =
      previous.draining + previous.endpoints.filter { $0.isDelivered && !kept.contains($0.slot) }
    return last
  }
}

extension RoutingConfiguration {
  /// Names, limits and references.
  private func check(_ quotas: Quotas) throws(HubError) {
    let slots = EventDestinations.slots.count
    try Self.limit("endpoints", endpoints.count, min(quotas.customEndpoints, slots / 2))
    try Self.limit("routes", routes.count, quotas.routes)
    try Self.limit("enrichments", enrichments.count, quotas.enrichments)
    var names: Set<String> = []
    for endpoint in endpoints {
      guard names.insert(endpoint.name.trimmedLowercase()).inserted else {
        throw HubError(.argumentInvalid, "There are two endpoints called \(endpoint.name).")
      }
    }
    names.insert(Self.builtInEndpoint)
    var routeNames: Set<String> = []
    for route in routes {
      guard routeNames.insert(route.name.trimmedLowercase()).inserted else {
        throw HubError(.argumentInvalid, "There are two routes called \(route.name).")
      }
      try Self.check(route.endpointNames, among: names, of: "Route \(route.name)")
    }
    try Self.check(fallback.endpointNames, among: names, of: "The fallback route")
    var enriched: Set<String> = []
    for enrichment in enrichments {
      try Self.check(enrichment.endpointNames, among: names, of: "Enrichment \(enrichment.key)")
      for name in enrichment.endpointNames {
        // Keys can't hold a slash, so that the two parts can't run into each other.
        guard enriched.insert("\(name.trimmedLowercase())/\(enrichment.key)").inserted else {
          throw HubError(.argumentInvalid, "\(name) is enriched twice with \(enrichment.key).")
        }
      }
    }
  }

  private static func limit(_ what: String, _ count: Int, _ limit: Int) throws(HubError) {
    guard count <= limit else {
      throw HubError(.argumentInvalid, "There are \(count) \(what); at most \(limit) are allowed.")
    }
  }

  private static func check(
    _ endpoints: [String],
    among names: Set<String>,
    of what: String
  ) throws(HubError) {
    guard !endpoints.isEmpty else {
      throw HubError(.argumentInvalid, "\(what) names no endpoint.")
    }
    for name in endpoints where !names.contains(name.trimmedLowercase()) {
      throw HubError(.argumentInvalid, "\(what) names \(name), but there is no such endpoint.")
    }
  }
}
