import Endpoints
import HTTPTypes
import Logging
import Platform

/// The page of a role's metrics, on a port of its own.
struct MetricsPage: Sendable {
  let metrics: PrometheusMetrics
  let host: String
  /// 0 for no page.
  let port: Int
  /// Where the port comes from.
  let setting: String

  /// Serves the page until everything stops; a port that is taken is told, and harms nothing else.
  func serve(_ logger: Logger) async {
    guard port > 0 else { return }
    let metrics = metrics
    let listener = LocalListener(
      .http(host: host, port: port),
      queue: RequestQueue(limit: 4),
      logger: logger,
      respond: { request in
        guard request.method == .get, request.path == ["metrics"] else {
          throw LocalRefusal(.notFound, "here is GET /metrics alone")
        }
        return LocalAnswer(
          type: "text/plain; version=0.0.4; charset=utf-8",
          stream: { write in try await write(Array(metrics.page().utf8)) }
        )
      }
    )
    do {
      try await listener.run()
    } catch is CancellationError {
      return
    } catch {
      logger.error(
        "no metrics: \(setting) cannot be listened on",
        metadata: ["port": "\(port)", "error": "\(error)"]
      )
    }
  }
}
