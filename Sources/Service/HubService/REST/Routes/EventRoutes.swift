import ByteIO
import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree
import MessageLog
import Platform
import ServiceLifecycle

/// The event stream by long-poll: what a live monitor follows until it speaks AMQP.
enum EventRoutes {
  static let routes: [RESTRoute] = [
    RESTRoute(
      .get,
      "/events",
      id: "readEvents",
      tag: "Events",
      "Reads events from any position, and waits for the first if there is none yet.",
      access: .policy(.serviceConnect),
      parameters: [
        "Stream", "Partition", "From", "Continuation", "Timeout", "Max", "DeviceFilter",
      ],
      successes: [
        RouteSuccess(
          status: 200,
          description: "Events in the order of the log, and where to go on.",
          schema: "EventPage"
        )
      ],
      faults: [.serviceUnavailable],
      handle: read
    )
  ]

  /// Commits come in quick succession: a reader that was woken waits for more to read at once.
  private static let gathering = Duration.milliseconds(20)

  private static func read(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let timeout = try request.integer("timeout", in: 0...60, default: 0)
    let maximum = try request.integer("max", in: 1...1000, default: 100)
    let filter = try deviceFilter(request)
    let log = service.hub.events
    let name = request.query("stream") ?? ""
    let streamName = name.isEmpty ? RoutingConfiguration.builtInEndpoint : name
    guard let stream = service.hub.routing.stream(named: streamName) else {
      throw HubError(.argumentInvalid, "There is no event stream called \(streamName).")
    }
    var positions = try positions(request, log, filter)
    guard service.polls.enter() else {
      throw RESTRefusal(
        HubError(.throttlingException, "Too many requests wait for events already."),
        retryAfterSeconds: 1
      )
    }
    defer { service.polls.leave() }
    let deadline = SystemClock.now().adding(milliseconds: UInt64(timeout) * 1000)
    var page = EventPage()
    while true {
      let view = log.view
      positions = positions.resolved(in: view)
      do throws(LogFault) {
        (page, positions) = try await service.polls.read(
          log,
          stream,
          view,
          positions,
          deviceID: filter,
          maximum: maximum
        )
      } catch .viewOutdated {
        // Retention ran in between; a new view knows what is left.
        continue
      } catch {
        throw RESTRefusal(
          HubError(.serviceUnavailable, "The event log can't be read; the hub's log says more."),
          retryAfterSeconds: 5
        )
      }
      let left = deadline.milliseconds(since: SystemClock.now())
      guard page.events.isEmpty, !page.isCutShort, left > 0, !Task.isShuttingDownGracefully,
        !Task.isCancelled
      else { break }
      try? await cancelWhenGracefulShutdown {
        await log.waitForMore(than: view.committedEnd, timeout: .milliseconds(left))
        try await Pause.sleep(for: min(gathering, .milliseconds(left)))
      }
    }
    return .json(bytes: page.text(continuingAt: positions))
  }

  private static func deviceFilter(_ request: RESTRequest) throws(HubError) -> String? {
    guard let device = request.query("device"), !device.isEmpty else { return nil }
    guard DeviceID.isValid(device) else {
      throw HubError(.argumentInvalid, "The query parameter device is no device ID.")
    }
    return device
  }

  private static func positions(
    _ request: RESTRequest,
    _ log: EventLog,
    _ device: String?
  ) throws(HubError) -> EventPositions {
    let count = UInt16(clamping: log.partitionCount)
    if let text = request.query("continuation"), !text.isEmpty {
      guard let positions = EventPositions(continuation: text, partitionCount: count) else {
        throw HubError(
          .argumentInvalid,
          "The query parameter continuation is none that this hub gave."
        )
      }
      return positions
    }
    let text = request.query("from") ?? ""
    guard let start = EventPositions.start(text.isEmpty ? "latest" : text) else {
      throw HubError(
        .argumentInvalid,
        "The query parameter from must be earliest, latest, offset:N, sequence:N or time:T with an ISO 8601 time."
      )
    }
    switch request.query("partition") {
    case nil, "", "all":
      // All events of a device are in one partition.
      if let device {
        return EventPositions([log.partition(of: device): start])
      }
      return EventPositions(
        Dictionary(uniqueKeysWithValues: (0..<count).map { ($0, start) })
      )
    case let text?:
      guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let partition = UInt16(text),
        partition < count
      else {
        throw HubError(
          .argumentInvalid,
          "The query parameter partition must be all or 0 to \(count - 1)."
        )
      }
      return EventPositions([partition: start])
    }
  }
}
