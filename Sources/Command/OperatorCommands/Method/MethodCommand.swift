import ArgumentParser
import JSONTree

/// `orrery method`: direct methods.
struct MethodCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "method",
    abstract: "Call direct methods of connected devices.",
    subcommands: [MethodInvoke.self]
  )
}

struct MethodInvoke: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "invoke",
    abstract: "Call a direct method and print its answer.",
    discussion: """
      A device that is not connected is an error (exit status 6) unless you wait for it with \
      --connect-timeout; one that does not answer in time ends with 7.

        orrery method invoke thermostat-1 reboot --payload '{"delay":5}'
        orrery method invoke pump-1 ping --connect-timeout 1m --response-timeout 2m
        orrery method invoke pump-1 capture --module camera -o json | jq .payload
      """
  )

  @Argument(help: ArgumentHelp("The device's ID.", valueName: "device"))
  var device: String

  @Argument(help: ArgumentHelp("The method's name.", valueName: "method"))
  var method: String

  @Option(help: ArgumentHelp("A method of this module of the device.", valueName: "module"))
  var module: String?

  @OptionGroup var call: CallOptions
  @OptionGroup var hub: HubOptions

  func validate() throws {
    try IdentityName.check(device: device)
    if let module { try IdentityName.check(module: module) }
  }

  func run() async throws {
    var body: JSONObject = [
      "methodName": .string(method),
      "responseTimeoutInSeconds": .int(call.responseTimeout.seconds),
      "connectTimeoutInSeconds": .int(call.connectTimeout.seconds),
    ]
    if let payload = try call.json() { body["payload"] = payload }
    let path = IdentityPath(device, module)
    let request = HubRequest(.post, path.methods)
      .body(.object(body))
      .timeout(seconds: call.waitSeconds)
    try await hub.withHub { client, printer in
      let answer = try await client.perform(request, of: path, "method '\(method)'").json()
      try call.show(answer, of: path, by: printer)
    }
  }
}

/// What is said of a call of a direct method or command, whichever it is.
struct CallOptions: ParsableArguments {
  @Option(help: ArgumentHelp("What it gets: JSON, @FILE or - (the input).", valueName: "json"))
  var payload: String?

  @Option(help: "How long to wait for the answer in all, 5s to 300s.")
  var responseTimeout = TimeSpan(seconds: 30)

  @Option(help: "How long to wait until the device is connected, up to 300s.")
  var connectTimeout = TimeSpan(seconds: 0)

  @Flag(help: "Exit with 1 if the device's own status is 400 or above.")
  var fail = false

  /// What the hub's own time-outs may take longer on the way.
  private static let graceSeconds: Int64 = 15

  /// How long to wait for the hub.
  var waitSeconds: Int64 { responseTimeout.seconds + Self.graceSeconds }

  func validate() throws {
    guard (5...300).contains(responseTimeout.seconds) else {
      throw ValidationError("--response-timeout must be 5s to 300s")
    }
    guard connectTimeout.seconds <= responseTimeout.seconds else {
      throw ValidationError(
        "--connect-timeout is a part of --response-timeout, which must be as long at least"
      )
    }
  }

  /// The payload, nil if there is none.
  func json() throws(CommandFailure) -> JSONValue? {
    guard let payload else { return nil }
    return try InputText.json(payload, option: "--payload")
  }

  /// Prints `answer`, an object of the device's `status` and `payload`.
  ///
  /// - Throws: a failure if such a status shall be one.
  func show(
    _ answer: JSONValue,
    of path: IdentityPath,
    by printer: Printer
  ) throws(CommandFailure) {
    let status = answer["status"]?.int64Value ?? 0
    printer.show(answer) { printer in
      var sheet = FactSheet()
      sheet.append("status", String(status), status >= 400 ? .bad : .good)
      sheet.append("payload", answer["payload"].map { $0.isNull ? "-" : JSON.text($0) }, .plain)
      printer.facts(sheet)
    }
    guard fail, status >= 400 else { return }
    throw CommandFailure(.failure, "\(path.subject) answered status \(status)")
  }
}
