import HubContract
import JSONTree
import QueryLanguage

/// What becomes of one message, and why: `{"op":"test","desired":…,"message":{"source":…,…}}`.
extension RouteQuestion {
  static func test(
    _ fields: BodyFields,
    _ profile: Dialect.EdgeProfile
  ) throws(HubError) -> JSONObject {
    guard let desired = try fields.object("desired") else {
      throw HubError(.argumentNull, "desired is missing; send an object.")
    }
    let described = try BodyFields(fields.value("message") ?? [:], path: "message")
    let path = try described.string("source") ?? "/messages"
    guard let source = MessageSource(path: path) else {
      throw described.invalid(
        "source",
        "must be /messages, /messages/modules/<m>, /messages/modules/<m>/outputs/<o> or "
          + "/twinChangeNotifications, not \"\(path)\"."
      )
    }
    let message = try TriedMessage(described, from: source)
    do throws(DesiredStatus) {
      let configuration = try HubConfiguration(desired: desired, profile: profile)
      return trial(configuration, source, path, message)
    } catch {
      return [
        "accept": false,
        "error": ["code": .int(error.code.rawValue), "message": .string(error.description)],
      ]
    }
  }

  private static func trial(
    _ configuration: HubConfiguration,
    _ source: MessageSource,
    _ path: String,
    _ message: TriedMessage
  ) -> JSONObject {
    let table = RouteTable(configuration)
    var routing = table.makeRouting()
    routing.route(message, from: source)
    let deliveries = routing.deliveries
    var answer: JSONObject = [
      "accept": true, "source": .string(path),
      "deliveries": .array(
        deliveries.map { delivery in
          var object: JSONObject = [
            "to": .string(table.endpoints[delivery.endpoint].name),
            "route": .string(table.routes[delivery.route].name),
          ]
          object["priority"] = table.routes[delivery.route].rank
          if case .seconds(let seconds) = delivery.timeToLive {
            object["timeToLiveSecs"] = .int(seconds)
          }
          return .object(object)
        }
      ),
    ]
    answer["routes"] = .array(
      table.routes.indices.map { index in
        .object(
          verdict(index, table, deliveries, source, path, message, configuration.profile)
        )
      }
    )
    if !configuration.warnings.isEmpty {
      answer["warnings"] = .array(configuration.warnings.map { .string($0) })
    }
    return answer
  }

  /// What one route did with the message, and why.
  private static func verdict(
    _ index: Int,
    _ table: RouteTable,
    _ deliveries: [RouteTable.Delivery],
    _ source: MessageSource,
    _ path: String,
    _ message: TriedMessage,
    _ profile: Dialect.EdgeProfile
  ) -> JSONObject {
    let route = table.routes[index]
    var object: JSONObject = [
      "name": .string(route.name),
      "from": .string("/" + route.statement.source.joined(separator: "/")),
      "to": .string(route.statement.sink.name),
    ]
    object["priority"] = route.rank
    func conclude(_ result: String, _ reason: String) {
      object["result"] = .string(result)
      object["reason"] = .string(reason)
    }
    guard route.source.matches(source) else {
      conclude("otherSource", "its source does not match \(path)")
      return object
    }
    let text = route.statement.conditionText
    object["condition"] = .string(text)
    guard
      let explanation = try? ConditionExplanation(
        text,
        dialect: .edgeRouting(profile),
        message: message
      )
    else { return object }
    object["parts"] = .array(explanation.parts.map { .object($0.json) })
    let winner = deliveries.first { table.endpoints[$0.endpoint] == route.statement.sink }
    switch explanation.truth {
    case .true where winner?.route == index:
      conclude("taken", "its source and its condition hold")
    case .true:
      let name = winner.map { table.routes[$0.route].name } ?? ""
      object["by"] = .string(name)
      conclude(
        "shadowed",
        "it holds, and route \(name), which comes before it, has sent the message there already"
      )
    case .false: conclude("false", "its condition is false")
    case .undefined:
      conclude("undefined", "its condition is undefined: something that it asks for is missing")
    }
    return object
  }
}

extension EdgeRoute {
  /// The priority, nil where the route names none.
  fileprivate var rank: JSONValue? {
    priority == Self.defaultPriority ? nil : .int(Int64(priority))
  }
}

extension RouteStatement.Sink {
  /// The endpoint as a route names it.
  fileprivate var name: String {
    switch self {
    case .upstream: "$upstream"
    case .module(let module, let input): "/modules/\(module)/inputs/\(input)"
    }
  }
}

extension ConditionExplanation.Part {
  fileprivate var json: JSONObject {
    var object: JSONObject = ["text": .string(text), "depth": .int(Int64(depth))]
    switch outcome {
    case .value(let value):
      object["result"] = "value"
      object["value"] = value
    case .undefined: object["result"] = "undefined"
    case .notAsked: object["result"] = "notAsked"
    }
    if let note { object["note"] = .string(note) }
    return object
  }
}
