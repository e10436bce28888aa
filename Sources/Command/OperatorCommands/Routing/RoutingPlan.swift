import JSONTree

/// What a change of message routing adds, changes and removes.
struct RoutingPlan: Equatable {
  /// One thing that will not be as it was.
  struct Change: Equatable {
    /// What happens to it.
    enum Kind: String {
      case added
      case changed
      case removed
    }

    let kind: Kind
    /// `endpoint`, `route`, `fallback route` or `enrichment`.
    let what: String
    let name: String
    /// What it will be, or which members change and how.
    let detail: String
  }

  /// All of them: endpoints first, then what uses them.
  let changes: [Change]

  /// What turns `current` into `wanted`, both with all members.
  init(from current: JSONValue, to wanted: JSONValue) {
    changes =
      Self.changes("endpoint", Self.endpoints(current), Self.endpoints(wanted))
      + Self.changes("route", Self.routes(current), Self.routes(wanted))
      + Self.changes("fallback route", Self.fallback(current), Self.fallback(wanted))
      + Self.changes("enrichment", Self.enrichments(current), Self.enrichments(wanted))
      + Self.order(current, wanted)
  }

  /// How many there are of each kind, such as `2 added, 1 removed`.
  var summary: String {
    let counts = [Change.Kind.added, .changed, .removed].map { kind in
      (kind, changes.count { $0.kind == kind })
    }
    return counts.filter { $0.1 > 0 }.map { "\($0.1) \($0.0.rawValue)" }.joined(separator: ", ")
  }

  /// For programs.
  var json: JSONValue {
    .array(
      changes.map { change in
        [
          "change": .string(change.kind.rawValue), "what": .string(change.what),
          "name": .string(change.name), "detail": .string(change.detail),
        ]
      }
    )
  }

  /// For people; never cut to the terminal's width, since they are about to agree to it.
  func text(isColored: Bool) -> String {
    var table = Table(["CHANGE", "WHAT", "NAME", "DETAIL"])
    for change in changes {
      let style: Style =
        switch change.kind {
        case .added: .good
        case .changed: .warning
        case .removed: .bad
        }
      table.append([
        Cell(change.kind.rawValue, style), Cell(change.what, .plain), Cell(change.name, .strong),
        Cell(change.detail, .plain),
      ])
    }
    return table.rendered(isColored: isColored)
  }

  /// One thing by what tells it from its like.
  private struct Item {
    let key: String
    let name: String
    let members: JSONObject
  }

  private static func changes(_ what: String, _ old: [Item], _ new: [Item]) -> [Change] {
    var changes: [Change] = []
    for item in old where !new.contains(where: { $0.key == item.key }) {
      let detail = text(item.members)
      changes.append(Change(kind: .removed, what: what, name: item.name, detail: detail))
    }
    for item in new {
      guard let before = old.first(where: { $0.key == item.key }) else {
        let detail = text(item.members)
        changes.append(Change(kind: .added, what: what, name: item.name, detail: detail))
        continue
      }
      let differing = item.members.filter { before.members[$0.key] != $0.value }
      guard !differing.isEmpty else { continue }
      let detail = differing.map { member in
        "\(member.key): \(text(before.members[member.key])) -> \(text(member.value))"
      }
      changes.append(
        Change(
          kind: .changed,
          what: what,
          name: item.name,
          detail: detail.joined(separator: "; ")
        )
      )
    }
    return changes
  }

  private static func text(_ members: JSONObject) -> String {
    members.filter { $0.key != "name" }.map { "\($0.key): \(text($0.value))" }
      .joined(separator: "; ")
  }

  private static func text(_ value: JSONValue?) -> String {
    guard let list = value?.arrayValue else { return value?.shown ?? "-" }
    return list.map(\.shown).joined(separator: ", ")
  }

  /// Names are one whatever their case; another kind makes another endpoint.
  private static func endpoints(_ routing: JSONValue) -> [Item] {
    (routing["endpoints"]?.objectValue ?? [:]).flatMap { kind in
      (kind.value.arrayValue ?? []).map { endpoint in
        let name = endpoint["name"]?.stringValue ?? ""
        var members = endpoint.objectValue ?? [:]
        members["name"] = .string(name)
        return Item(key: "\(kind.key)/\(name.lowercased())", name: name, members: members)
      }
    }
  }

  private static func routes(_ routing: JSONValue) -> [Item] {
    (routing["routes"]?.arrayValue ?? []).map { route in
      let name = route["name"]?.stringValue ?? ""
      return Item(key: name.lowercased(), name: name, members: route.objectValue ?? [:])
    }
  }

  private static func fallback(_ routing: JSONValue) -> [Item] {
    let members = routing["fallbackRoute"]?.objectValue ?? [:]
    return [Item(key: "", name: members["name"]?.stringValue ?? "-", members: members)]
  }

  /// Several may have one key, for different endpoints.
  private static func enrichments(_ routing: JSONValue) -> [Item] {
    (routing["enrichments"]?.arrayValue ?? []).map { enrichment in
      let name = enrichment["key"]?.stringValue ?? ""
      let key = "\(name)/\(text(enrichment["endpointNames"]))"
      return Item(key: key, name: name, members: enrichment.objectValue ?? [:])
    }
  }

  /// Another order of the same routes is a change too, though it means nothing for messages.
  private static func order(_ current: JSONValue, _ wanted: JSONValue) -> [Change] {
    let old = routes(current).map(\.key)
    let new = routes(wanted)
    let common = new.map(\.key).filter(old.contains)
    guard common != old.filter(common.contains) else { return [] }
    let detail = new.map(\.name).joined(separator: ", ")
    return [Change(kind: .changed, what: "order", name: "routes", detail: detail)]
  }
}
