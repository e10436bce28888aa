import HTTPTypes
import HummingbirdCore
import JSONTree

/// The description of this interface.
enum DocumentRoutes {
  static let routes: [RESTRoute] = [
    RESTRoute(
      .get,
      "/openapi.json",
      id: "getDescription",
      tag: "Description",
      "Reads this description (OpenAPI 3.1).",
      access: .open,
      successes: [RouteSuccess(status: 200, description: "The description.", schema: "Any")],
      handle: { service, _ in .json(OpenAPIDocument(service.table).json) }
    )
  ]
}
