import ArgumentParser
import HubContract
import JSONTree

/// `orrery fault`: faults that a hub for tests commits on purpose.
struct FaultCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fault",
    abstract: "Have a hub for tests commit faults, to see how devices and back ends bear them.",
    discussion: """
      For hubs that run with --ephemeral, or with hub.fault_injection set to true. Faults are gone \
      when the hub stops.

        orrery fault add flaky disconnect --device pump-1 --every 30s
        orrery fault add busy failRequests --status 429 --retry-after 2s --times 3
        orrery fault list
        orrery fault remove --all
      """,
    subcommands: [FaultAdd.self, FaultList.self, FaultRemove.self]
  )

  static let path = ["admin", "faults"]
}

struct FaultAdd: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add",
    abstract: "Have the hub commit a fault from now on.",
    discussion: """
        refuseConnections   devices hear over MQTT that the hub is unavailable
        rejectCredentials   tokens and certificates are refused as if expired
        delayConnections    devices wait for --delay when they connect
        disconnect          connections are closed, at once and --every so often
        failRequests        HTTPS requests get --status
        delayRequests       HTTPS requests wait for --delay
        loseTelemetry       telemetry is not acknowledged, its connection closes
        slowLog             telemetry is acknowledged --delay later
        dropMethods         direct methods do not reach the device
        shiftClock          the clock is fast by --shift or slow by --shift-back

      A fault of the same name is replaced. Each kind takes the options that mean something to it:

        orrery fault add late shiftClock --shift 2h --for 10m
        orrery fault add slow delayRequests --delay 3s --path /twins --probability 0.2
      """
  )

  @Argument(help: ArgumentHelp("What to call it.", valueName: "name"))
  var name: String
  @Argument(
    help: ArgumentHelp("What happens.", valueName: "kind"),
    completion: .list(InjectedFault.Kind.allCases.map(\.rawValue)),
    transform: Self.kind
  )
  var kind: InjectedFault.Kind
  @Option(help: ArgumentHelp("Only this device, with its modules.", valueName: "device"))
  var device: String?
  @Option(help: ArgumentHelp("Only requests whose path begins so.", valueName: "path"))
  var path: String?
  @Option(help: ArgumentHelp("401, 429, 500 or 503.", valueName: "status"))
  var status: Int64?
  @Option(help: "What refused requests are told of when to come back.")
  var retryAfter: TimeSpan?
  @Option(help: "How long it holds up, at most 60s.")
  var delay: TimeSpan?
  @Option(help: "How often it happens again.")
  var every: TimeSpan?
  @Option(help: "By how much the clock is fast.")
  var shift: TimeSpan?
  @Option(help: "By how much the clock is slow.")
  var shiftBack: TimeSpan?
  @Option(help: ArgumentHelp("How likely it strikes, above 0 to 1.", valueName: "share"))
  var probability: Double?
  @Option(help: ArgumentHelp("How often it strikes at most.", valueName: "count"))
  var times: Int64?
  @Option(name: .customLong("for"), help: "When it is gone by itself, such as 10m.")
  var lifetime: TimeSpan?
  @OptionGroup var hub: HubOptions

  func validate() throws {
    guard shift == nil || shiftBack == nil else {
      throw ValidationError("the clock is fast by --shift or slow by --shift-back, not both")
    }
    // The hub's own rules, said before anything is sent.
    do throws(HubError) {
      _ = try InjectedFault(name: name, json: body)
    } catch {
      // They speak of members, the command line of options.
      var message = error.message
      for member in members { message = message.replacing(member.name, with: member.option) }
      throw ValidationError(message)
    }
  }

  private static func kind(_ text: String) throws -> InjectedFault.Kind {
    guard let kind = InjectedFault.Kind(rawValue: text) else {
      let known = InjectedFault.Kind.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("the kinds of faults are \(known)")
    }
    return kind
  }

  private var members: [(name: String, option: String, value: JSONValue?)] {
    let shiftSeconds = shift?.seconds ?? shiftBack.map { -$0.seconds }
    return [
      ("deviceId", "--device", device.map { .string($0) }),
      ("path", "--path", path.map { .string($0) }),
      ("status", "--status", status.map { .int($0) }),
      ("retryAfterSeconds", "--retry-after", retryAfter.map { .int($0.seconds) }),
      ("delayMilliseconds", "--delay", delay.map { .int($0.milliseconds) }),
      ("everySeconds", "--every", every.map { .int($0.seconds) }),
      ("shiftSeconds", "--shift", shiftSeconds.map { .int($0) }),
      ("probability", "--probability", probability.map { .double($0) }),
      ("times", "--times", times.map { .int($0) }),
      ("lifetimeSeconds", "--for", lifetime.map { .int($0.seconds) }),
    ]
  }

  private var body: JSONValue {
    var body: JSONObject = ["fault": .string(kind.rawValue)]
    for member in members { if let value = member.value { body[member.name] = value } }
    return .object(body)
  }

  func run() async throws {
    try await hub.withHub { client, printer in
      let request = HubRequest(.put, FaultCommand.path + [name]).body(body)
      let fault = try await client.perform(request, "fault '\(name)'").json()
      printer.show(fault) { printer in
        printer.line("Added; 'orrery fault remove \(name)' ends it.")
      }
    }
  }
}

struct FaultList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List the faults that the hub commits, and how often each has struck."
  )

  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let all = try await client.get(FaultCommand.path, "the list of faults").arrayValue ?? []
      printer.show(.array(all)) { printer in
        var table = Table(["FAULT", "KIND", "STRUCK", "WITH"])
        for fault in all {
          table.append([
            Cell(fault["name"]?.shown ?? "-", .strong), Cell(fault["fault"]?.shown ?? "-"),
            Cell(fault["hits"]?.shown ?? "-"), Cell(Self.details(fault)),
          ])
        }
        printer.table(table, none: "The hub commits no faults.")
      }
    }
  }

  private static func details(_ fault: JSONValue) -> String {
    (fault.objectValue ?? [:])
      .filter { !["name", "fault", "hits"].contains($0.key) }
      .map { "\($0.key) \($0.value.shown)" }
      .joined(separator: ", ")
  }
}

struct FaultRemove: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove",
    abstract: "Have the hub commit a fault no more, or none of them."
  )

  @Argument(help: ArgumentHelp("The fault.", valueName: "name"))
  var name: String?
  @Flag(help: "All of them.") var all = false
  @OptionGroup var hub: HubOptions

  func validate() throws {
    guard (name == nil) == all else { throw ValidationError("give the fault's name, or --all") }
  }

  func run() async throws {
    try await hub.withHub { client, printer in
      let path = FaultCommand.path + (name.map { [$0] } ?? [])
      let subject = name.map { "fault '\($0)'" } ?? "the faults"
      try await client.perform(HubRequest(.delete, path), subject)
      printer.done("Removed \(subject).")
    }
  }
}
