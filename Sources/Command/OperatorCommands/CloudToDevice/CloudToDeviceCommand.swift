import ArgumentParser
import HubContract
import JSONTree
import Platform

/// `orrery c2d`: messages to devices.
struct CloudToDeviceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "c2d",
    abstract: "Send messages to devices, and hear what became of them.",
    discussion: """
      A message waits in the device's queue, at most 50 of them, until the device takes it or it \
      expires. For an answer at once, call a direct method instead.
      """,
    subcommands: [CloudToDeviceSend.self, CloudToDevicePurge.self, CloudToDeviceFeedback.self]
  )
}

struct CloudToDeviceSend: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "send",
    abstract: "Queue a message for a device.",
    discussion: """
        orrery c2d send thermostat-1 'hello'
        orrery c2d send pump-1 --body @p.jpg --content-type image/jpeg --expiry 10m
        orrery c2d send pump-1 hello --property level=3 --message-id m-1 --ack full
        date | orrery c2d send thermostat-1 --body -
      """
  )

  @OptionGroup var target: DeviceArgument

  @Argument(help: ArgumentHelp("The body: text, @FILE or - (the input).", valueName: "body"))
  var text: String?

  @Option(help: ArgumentHelp("The body, likewise.", valueName: "body"))
  var body: String?

  @Option(help: ArgumentHelp("Message ID; without, the hub makes one.", valueName: "id"))
  var messageId: String?

  @Option(help: ArgumentHelp("Correlation ID.", valueName: "id"))
  var correlationId: String?

  @Option(help: ArgumentHelp("User ID.", valueName: "id"))
  var userId: String?

  @Option(help: ArgumentHelp("Content type, such as application/json.", valueName: "type"))
  var contentType: String?

  @Option(help: ArgumentHelp("Content encoding, such as utf-8.", valueName: "encoding"))
  var contentEncoding: String?

  @Option(help: "How long it may wait, such as 10m; the hub's default is an hour.")
  var expiry: TimeSpan?

  @Option(
    help: ArgumentHelp(
      "Of what to report: none, positive, negative or full; see 'c2d feedback'.",
      valueName: "ack"
    ),
    transform: Self.acknowledgement
  )
  var ack: DeliveryAcknowledgement?

  @Option(
    name: [.long, .customShort("p")],
    help: ArgumentHelp("A property; give it again for more.", valueName: "name=value")
  )
  var property: [NamedValue] = []

  @OptionGroup var hub: HubOptions

  func validate() throws {
    guard (text == nil) != (body == nil) else {
      throw ValidationError(
        text == nil
          ? "say what to send: a text, @FILE or -" : "give the body once, as argument or as --body"
      )
    }
    if let expiry, expiry.milliseconds == 0 { throw ValidationError("--expiry must be above 0") }
    for property in property {
      // They travel as HTTP headers, whose names and values are narrower than a message's.
      guard property.name.utf8.allSatisfy(Self.isTokenCharacter) else {
        throw ValidationError("a property's name has letters, digits and - _ . only")
      }
      guard property.value.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else {
        throw ValidationError("a property's value has printable ASCII characters only")
      }
    }
  }

  private static func acknowledgement(_ text: String) throws -> DeliveryAcknowledgement {
    guard let value = DeliveryAcknowledgement(rawValue: text) else {
      throw ValidationError("--ack is none, positive, negative or full")
    }
    return value
  }

  private static func isTokenCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"),
      UInt8(ascii: "."):
      true
    default: false
    }
  }

  func run() async throws {
    let bytes = try InputText.bytes(text ?? body ?? "")
    try await hub.withHub { client, printer in
      var request = HubRequest(.post, target.path.registry + ["messages", "deviceBound"])
        .header("iothub-messageid", messageId)
        .header("iothub-correlationid", correlationId)
        .header("iothub-userid", userId)
        .header("iothub-contenttype", contentType)
        .header("iothub-contentencoding", contentEncoding)
        .header("iothub-ack", ack?.rawValue)
      if let expiry {
        let time = client.time.adding(milliseconds: expiry.milliseconds)
        request = request.header("iothub-expiry", time.iso8601)
      }
      for property in property {
        request = request.header("iothub-app-\(property.name)", property.value)
      }
      request.headers.append((name: "Content-Type", value: "application/octet-stream"))
      request.body = bytes
      let response = try await client.perform(request, of: target.path)
      let answer = try response.json()
      printer.show(answer) { printer in
        let id = Cell.visible(answer["messageId"]?.shown ?? "-")
        printer.line("Queued \(bytes.count) bytes for \(target.path.subject) as message \(id).")
      }
    }
  }
}

struct CloudToDevicePurge: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "purge",
    abstract: "Throw away all messages that wait for a device.",
    discussion: "  orrery c2d purge thermostat-1 --yes"
  )

  @OptionGroup var target: DeviceArgument
  @Flag(name: [.long, .customShort("y")], help: "Do not ask.") var yes = false
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let path = target.path
      try Confirmation.ask("Throw away all messages that wait for \(path.subject)?", isSure: yes)
      let request = HubRequest(.delete, path.registry + ["commands"])
      let answer = try await client.perform(request, of: path).json()
      printer.show(answer) { printer in
        printer.line("Threw away \(answer["totalMessagesPurged"]?.shown ?? "0") messages.")
      }
    }
  }
}

struct CloudToDeviceFeedback: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "feedback",
    abstract: "Print what became of messages that were sent with --ack.",
    discussion: """
      Reports are printed once and then gone, for all who ask; with --peek they stay. Without \
      --follow it ends when there are none.

        orrery c2d feedback --follow
      """
  )

  @Flag(help: "Leave the reports for others.") var peek = false
  @Flag(name: [.long, .customShort("f")], help: "Wait for more until Ctrl-C.") var follow = false
  @OptionGroup var hub: HubOptions

  func validate() throws {
    if peek, follow { throw ValidationError("--peek shows what there is; it cannot --follow") }
  }

  func run() async throws {
    try await hub.withHub { client, printer in
      let counter = FeedbackReader(hub: client, printer: printer)
      if follow {
        _ = try await untilInterrupted {
          while true {
            if try await counter.next(keeps: false) { continue }
            try await Pause.sleep(for: .seconds(1))
          }
        }
        return
      }
      let isAny = try await counter.next(keeps: peek)
      if !peek, isAny { while try await counter.next(keeps: false) {} }
      if !isAny, printer.isForPeople { printer.console.remark("There is no feedback.") }
    }
  }
}

/// Takes feedback from the hub, a batch at a time (contract §7.10).
private struct FeedbackReader: Sendable {
  let hub: HubClient
  let printer: Printer

  private static let path = ["messages", "serviceBound", "feedback"]
  private static let subject = "feedback"

  /// Prints the next batch; false if there is none.
  func next(keeps: Bool) async throws -> Bool {
    let response = try await hub.perform(HubRequest(.get, Self.path), Self.subject)
    guard response.status != 204 else { return false }
    for record in try response.json().arrayValue ?? [] { show(record) }
    guard let token = response.header("ETag") else { return false }
    let lock = token.filter { $0 != "\"" }
    // Only now: what was not printed yet is not gone.
    let request =
      keeps
      ? HubRequest(.post, Self.path + [lock, "abandon"]) : HubRequest(.delete, Self.path + [lock])
    try await hub.perform(request, Self.subject)
    return true
  }

  private func show(_ record: JSONValue) {
    guard printer.isForPeople else { return printer.jsonLine(record) }
    let status = record["statusCode"]?.shown ?? "-"
    let colored = Style(state: status).applied(to: status, if: printer.console.isOutputColored)
    let fields = [
      ShownTime.text(record["enqueuedTimeUtc"]?.stringValue),
      Cell.visible(record["deviceId"]?.shown ?? "-"),
      Cell.visible(record["originalMessageId"]?.shown ?? "-"), colored,
      Cell.visible(record["description"]?.shown ?? ""),
    ]
    printer.line(fields.joined(separator: "  "))
  }
}
