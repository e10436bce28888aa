import HTTPTypes
import HummingbirdCore
import NIOCore
import Platform
import Synchronization

/// Metrics and health on the listener of the operators.
final class AdminService: Sendable {
  private let hub: Hub
  private let metrics: PrometheusMetrics
  private let ready = Atomic<Bool>(false)

  init(hub: Hub, metrics: PrometheusMetrics) {
    self.hub = hub
    self.metrics = metrics
  }

  /// Whether every listener is bound and the hub is not stopping.
  var isReady: Bool {
    get { ready.load(ordering: .acquiring) }
    set { ready.store(newValue, ordering: .releasing) }
  }

  func respond(to request: Request) async -> Response {
    guard request.method == .get || request.method == .head else {
      return text("only GET is answered here\n", .methodNotAllowed)
    }
    switch request.uri.path {
    case "/metrics":
      return text(metrics.page(), .ok, "text/plain; version=0.0.4; charset=utf-8")
    case "/healthz": return text("ok\n", .ok)
    case "/readyz":
      guard isReady else { return text("not ready: starting or stopping\n", .serviceUnavailable) }
      guard !hub.events.isSuspended else {
        return text("not ready: the message log takes no events\n", .serviceUnavailable)
      }
      guard (try? await hub.store.read { _ in true }) == true else {
        return text("not ready: the registry cannot be read\n", .serviceUnavailable)
      }
      return text("ready\n", .ok)
    default: return text("paths here: /metrics /healthz /readyz\n", .notFound)
    }
  }

  private func text(
    _ text: String,
    _ status: HTTPResponse.Status,
    _ type: String = "text/plain; charset=utf-8"
  ) -> Response {
    Response(
      status: status,
      headers: [.contentType: type],
      body: ResponseBody(byteBuffer: ByteBuffer(string: text))
    )
  }
}
