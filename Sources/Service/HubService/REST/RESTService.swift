import HTTPTypes
import HummingbirdCore
import NIOCore
struct RESTService: Sendable {
  let hub: Hub
  func respond(to request: Request, channel: any Channel) async -> Response {
    Response(status: .notImplemented)
  }
}
