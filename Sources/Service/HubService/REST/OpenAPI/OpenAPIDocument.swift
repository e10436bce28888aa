import HTTPTypes
import HubContract
import HubEngine
import JSONTree

/// The OpenAPI 3.1 description of a route table.
///
/// Made from the very values that requests are matched with, so that the two can't drift apart; what
/// the values do not say (schemas, parameters, headers) is in `OpenAPIComponents`.
struct OpenAPIDocument {
  /// The whole description.
  let json: JSONValue

  init(_ table: RouteTable) {
    var paths = JSONObject()
    var refusals = Refusals()
    for route in table.routes {
      var item = paths[route.template]?.objectValue ?? [:]
      item[route.method.rawValue.lowercased()] = Self.operation(route, &refusals)
      paths[route.template] = .object(item)
    }
    var components = OpenAPIComponents.json.objectValue ?? [:]
    components["responses"] = .object(refusals.components)
    var tags: [String] = []
    for route in table.routes where !tags.contains(route.tag) { tags.append(route.tag) }
    json = [
      "openapi": "3.1.0",
      "info": [
        "title": "Orrery hub", "version": "2021-04-12",
        "description": .string(OpenAPIComponents.introduction),
        "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
      ],
      "servers": [
        [
          "url": "https://{host}", "description": "The hub.",
          "variables": ["host": ["default": "localhost"]],
        ]
      ],
      "tags": .array(tags.map { ["name": .string($0)] }),
      "paths": .object(paths),
      "components": .object(components),
    ]
  }

  private static func operation(_ route: RESTRoute, _ refusals: inout Refusals) -> JSONValue {
    var parameters = route.names.map { reference("parameters", "path.\($0)") }
    if route.access != .open { parameters.append(reference("parameters", "APIVersion")) }
    parameters += route.parameters.map { reference("parameters", $0) }
    var operation: JSONObject = [
      "operationId": .string(route.id), "tags": [.string(route.tag)],
      "summary": .string(route.summary), "description": .string(rights(route)),
      "security": security(route), "parameters": .array(parameters),
    ]
    switch route.body {
    case .none: break
    case .json(let schema): operation["requestBody"] = body("application/json", schema)
    case .bytes: operation["requestBody"] = body("application/octet-stream", "Bytes")
    case .lines(let schema): operation["requestBody"] = body("application/x-ndjson", schema)
    }
    operation["responses"] = .object(responses(route, &refusals))
    return .object(operation)
  }

  private static func rights(_ route: RESTRoute) -> String {
    switch route.access {
    case .open: "Open to anybody; takes no api-version."
    case .policy(let rights): "Needs \(rights.names.joined(separator: " and "))."
    case .policyOrOwnEdge(let rights):
      "Needs \(rights.names.joined(separator: " and ")), or the credential of the edge device itself."
    case .identity:
      "Needs the credential of the device or module itself, or a policy with DeviceConnect."
    case .registration: "Needs the token or the certificate of the enrollment."
    case .edgeHub: "Needs the credential of the edge device's module $edgeHub."
    }
  }

  private static func security(_ route: RESTRoute) -> JSONValue {
    switch route.access {
    case .open: []
    case .policy: [["sas": []]]
    case .policyOrOwnEdge, .identity, .registration, .edgeHub: [["sas": []], ["certificate": []]]
    }
  }

  private static func body(_ type: String, _ schema: String) -> JSONValue {
    ["required": true, "content": content(type, reference("schemas", schema))]
  }

  private static func content(_ type: String, _ schema: JSONValue) -> JSONValue {
    var content = JSONObject()
    content[type] = ["schema": schema]
    return .object(content)
  }

  private static func responses(_ route: RESTRoute, _ refusals: inout Refusals) -> JSONObject {
    var responses = JSONObject()
    for success in route.successes {
      var response: JSONObject = ["description": .string(success.description)]
      var headers: JSONObject = ["x-ms-request-id": reference("headers", "RequestID")]
      for name in success.headers {
        headers[OpenAPIComponents.headerNames[name] ?? name] = reference("headers", name)
      }
      response["headers"] = .object(headers)
      if let schema = success.schema {
        let element = reference("schemas", schema)
        response["content"] = content(
          success.contentType,
          success.isArray ? ["type": "array", "items": element] : element
        )
      }
      responses[String(success.status)] = .object(response)
    }
    var codes = route.faults
    if route.access != .open {
      codes += [
        .invalidProtocolVersion, .argumentInvalid, .iotHubNotFound, .iotHubUnauthorizedAccess,
        .iotHubUnauthorized, .throttlingException, .serverError, .serviceUnavailable,
      ]
    }
    switch route.body {
    case .none: break
    case .json:
      codes += [.argumentNull, .iotHubFormatError, .deserializationError, .messageTooLarge]
    case .bytes, .lines: codes += [.messageTooLarge]
    }
    let byStatus = Dictionary(grouping: Set(codes), by: \.httpStatus)
    for (status, codes) in byStatus.sorted(by: { $0.key < $1.key })
    where responses[String(status)] == nil {
      let name = refusals.add(
        status: status,
        refusal(route, codes.sorted { $0.rawValue < $1.rawValue })
      )
      responses[String(status)] = reference("responses", name)
    }
    return responses
  }

  private static func refusal(_ route: RESTRoute, _ codes: [HubErrorCode]) -> JSONValue {
    let schema = route.shape == .module || route.shape == .provisioning ? "ModuleError" : "Error"
    var headers: JSONObject = [
      "x-ms-request-id": reference("headers", "RequestID"),
      "iothub-errorcode": [
        "description": "What programs should match on.",
        "schema": ["type": "string", "enum": .array(codes.map { .string($0.name) })],
      ],
    ]
    if codes.contains(where: { $0.httpStatus == 429 || $0.httpStatus == 503 }) {
      headers["Retry-After"] = reference("headers", "RetryAfter")
    }
    return [
      "description": .string(codes.map { "\($0)" }.joined(separator: ", ") + "."),
      "headers": .object(headers),
      "content": content("application/json", reference("schemas", schema)),
    ]
  }

  private static func reference(_ kind: String, _ name: String) -> JSONValue {
    ["$ref": .string("#/components/\(kind)/\(name)")]
  }
}

/// The refusals of all routes, of which equal ones stand in the description once.
private struct Refusals {
  private(set) var components = JSONObject()

  /// The name of a refusal, new or known.
  mutating func add(status: Int, _ response: JSONValue) -> String {
    var number = 1
    while true {
      let name = "Refusal\(status).\(number)"
      guard let known = components[name] else {
        components[name] = response
        return name
      }
      if known == response { return name }
      number += 1
    }
  }
}
