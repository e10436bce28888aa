import ArgumentParser
import ByteIO
import JSONTree
import Platform
import Synchronization

/// `orrery monitor`: what is going on.
struct MonitorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "monitor",
    abstract: "Watch events as they arrive.",
    subcommands: [MonitorEvents.self]
  )
}

struct MonitorEvents: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "events",
    abstract: "Print events as they arrive, or from an earlier position.",
    discussion: """
      Reading removes nothing and disturbs nobody. It goes on across a restart of the hub, without a \
      gap, until Ctrl-C. JSON output has one event a line.

        orrery monitor events
        orrery monitor events --from earliest --device 'thermostat-*' --count 10
        orrery monitor events --from 2026-01-02T03:04:05Z --property level=alarm
        orrery monitor events -o json | jq -c .body
      """
  )

  @Option(
    help: """
      Where to begin: earliest, latest, a time such as 2026-01-02T03:04:05Z, offset:N or sequence:N.
      """
  )
  var from: EventStart = .latest

  @Option(
    name: [.long, .customShort("d")],
    help: ArgumentHelp(
      "Only of this device; * stands for any characters. Give it again for more.",
      valueName: "pattern"
    )
  )
  var device: [String] = []

  @Option(help: ArgumentHelp("Only of modules of this name.", valueName: "module"))
  var module: String?

  @Option(
    help: ArgumentHelp("A stream that routing makes, not the built-in one.", valueName: "endpoint")
  )
  var stream: String?

  @Option(help: ArgumentHelp("Only of this partition.", valueName: "number"))
  var partition: Int?

  @Option(
    name: [.long, .customShort("p")],
    help: ArgumentHelp("Only with this property. Give it again for more.", valueName: "name=value")
  )
  var property: [NamedValue] = []

  @Option(
    help: ArgumentHelp("Only from this source, such as twinChangeEvents.", valueName: "name")
  )
  var source: String?

  @Option(name: [.long, .customShort("n")], help: "End after so many events.")
  var count: Int?

  @Option(help: "End after so long; with --count, having fewer by then is exit status 7.")
  var timeout: TimeSpan?

  @OptionGroup var hub: HubOptions

  func validate() throws {
    if let count, count < 1 { throw ValidationError("--count must be at least 1") }
    if let partition, partition < 0 { throw ValidationError("--partition must be at least 0") }
    if partition == nil {
      switch from {
      case .offset, .sequence:
        throw ValidationError("an offset or sequence number is of one partition: add --partition")
      case .earliest, .latest, .time: break
      }
    }
  }

  func run() async throws {
    var filter = EventFilter()
    filter.devices = device.map { NamePattern($0) }
    filter.module = module
    filter.properties = property
    filter.source = source
    let chosen = filter
    let shown = Atomic<Int>(0)
    try await hub.withHub { client, printer in
      let tail = EventTail(
        hub: client,
        stream: stream,
        partition: partition,
        start: from,
        device: chosen.onlyDevice
      )
      let begin = SystemClock.now()
      let console = printer.console
      let (limit, milliseconds) = (count, timeout?.milliseconds)
      let ending = try await untilInterrupted {
        try await tail.run {
          milliseconds.map {
            ($0 - Int64(SystemClock.now().milliseconds(since: begin)) + 999) / 1000
          }
        } troubled: { failure in
          console.remark(
            failure.map { "\($0.problem); trying again" } ?? "the hub is there again"
          )
        } _: { event in
          guard chosen.lets(event) else { return .next }
          if printer.isForPeople {
            printer.line(EventLine.text(event, isColored: console.isOutputColored))
          } else {
            printer.jsonLine(event)
          }
          let count = shown.add(1, ordering: .relaxed).newValue
          return count == limit ? .enough : .next
        }
      }
      let count = shown.load(ordering: .relaxed)
      if ending == .interrupted || limit == nil {
        console.remark("\(count) event\(count == 1 ? "" : "s")")
      }
      if let limit, count < limit, ending == .finished {
        throw CommandFailure(.timedOut, "\(count) of \(limit) events came in time")
      }
    }
  }
}
