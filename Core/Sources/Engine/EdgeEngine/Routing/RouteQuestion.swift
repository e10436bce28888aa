import HubContract
import JSONTree
import QueryLanguage

/// The line protocol by which tools try routes: one JSON object in, one out.
///
/// | `op` | asks | answers |
/// | --- | --- | --- |
/// | `condition` | `condition`, `message` | `result`: `true`, `false`, `undefined` or `error` |
/// | `route` | `route` | `ok`, `source`, `condition`, `sink`, `module`, `input`, `warnings` |
/// | `source` | `from`, `messageSource` | `result`: whether the one matches the other |
/// | `configuration` | `desired`, of `$edgeHub` | `accept`, `warnings` |
/// | `test` | `desired`, `message` with its `source` | `accept`, `deliveries`, `routes` with reasons |
///
/// `profile` may be given with each: `lenient`, the default, or `contract`. What cannot be read or is
/// refused comes as `error` with a `message` and, where a text is at fault, its `position`: the first
/// offending Unicode scalar, counted from 0.
public enum RouteQuestion {
  /// The most bytes of a line: a message of the largest size, escaped.
  public static let maximumLineBytes = 4 << 20

  /// The answer to `line`, in one line without its end.
  public static func answer(_ line: Span<UInt8>) -> [UInt8] {
    let question: JSONValue
    do throws(JSONFault) {
      question = try JSON.parse(line, limits: JSONLimits(maxBytes: maximumLineBytes))
    } catch {
      return JSON.bytes(.object(["error": refusal("The line is no JSON object: \(error).")]))
    }
    do throws(HubError) {
      return JSON.bytes(.object(try answer(try BodyFields(question))))
    } catch {
      return JSON.bytes(.object(["error": refusal(error.message)]))
    }
  }

  private enum Operation: String, CaseIterable {
    case condition, route, source, configuration, test
  }

  private static func answer(_ fields: BodyFields) throws(HubError) -> JSONObject {
    let profile = try fields.word("profile", Dialect.EdgeProfile.self) ?? .lenient
    switch try fields.word("op", Operation.self) {
    case .condition: return try condition(fields, profile)
    case .route: return try route(fields, profile)
    case .source: return try source(fields)
    case .configuration: return try configuration(fields, profile)
    case .test: return try test(fields, profile)
    case nil: throw HubError(.argumentNull, "op is missing; send a string.")
    }
  }

  private static func condition(
    _ fields: BodyFields,
    _ profile: Dialect.EdgeProfile
  ) throws(HubError) -> JSONObject {
    let text = try fields.requiredString("condition")
    let message = try TriedMessage(try BodyFields(fields.value("message") ?? [:], path: "message"))
    do throws(QueryFault) {
      let condition = try Condition(text, dialect: .edgeRouting(profile))
      let result =
        switch condition.evaluate(message) {
        case .true: "true"
        case .false: "false"
        case .undefined: "undefined"
        }
      return ["result": .string(result)]
    } catch {
      return ["result": "error", "error": refusal(error, in: text)]
    }
  }

  private static func route(
    _ fields: BodyFields,
    _ profile: Dialect.EdgeProfile
  ) throws(HubError) -> JSONObject {
    let text = try fields.requiredString("route")
    do throws(QueryFault) {
      let route = try RouteStatement(text, profile: profile)
      var answer: JSONObject = [
        "ok": true, "source": .string("/" + route.source.joined(separator: "/")),
        "condition": .string(route.conditionText),
      ]
      switch route.sink {
      case .upstream: answer["sink"] = "upstream"
      case .module(let module, let input):
        answer["sink"] = "module"
        answer["module"] = .string(module)
        answer["input"] = .string(input)
      }
      if !route.warnings.isEmpty {
        answer["warnings"] = .array(route.warnings.map { refusal($0, in: text) })
      }
      return answer
    } catch {
      return ["ok": false, "error": refusal(error, in: text)]
    }
  }

  private static func source(_ fields: BodyFields) throws(HubError) -> JSONObject {
    let text = try fields.requiredString("from")
    let path = try fields.requiredString("messageSource")
    do throws(QueryFault) {
      let source = RouteSource(try RouteStatement.source(text))
      return ["result": .bool(source.matches(path: path))]
    } catch {
      return ["result": "error", "error": refusal(error, in: text)]
    }
  }

  private static func configuration(
    _ fields: BodyFields,
    _ profile: Dialect.EdgeProfile
  ) throws(HubError) -> JSONObject {
    guard let desired = try fields.object("desired") else {
      throw HubError(.argumentNull, "desired is missing; send an object.")
    }
    do throws(DesiredStatus) {
      let configuration = try HubConfiguration(desired: desired, profile: profile)
      var answer: JSONObject = ["accept": true]
      if !configuration.warnings.isEmpty {
        answer["warnings"] = .array(configuration.warnings.map { .string($0) })
      }
      return answer
    } catch {
      var refused: JSONObject = ["code": .int(error.code.rawValue)]
      refused["message"] = .string(error.description)
      return ["accept": false, "error": .object(refused)]
    }
  }

  private static func refusal(_ message: String) -> JSONValue { ["message": .string(message)] }

  private static func refusal(_ fault: QueryFault, in text: String) -> JSONValue {
    let position = text.utf8.prefix(fault.offset).count { $0 & 0xC0 != 0x80 }
    return ["position": .int(Int64(position)), "message": .string(fault.message)]
  }
}
