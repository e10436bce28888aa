import ArgumentParser
import JSONTree

/// `orrery registration`: what became of devices that registered.
struct RegistrationCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "registration",
    abstract: "Show which devices have registered, and forget them.",
    discussion: """
      The provisioning service remembers for each registration ID where its device was assigned. \
      To forget it makes the device new to the service; its identity stays.
      """,
    subcommands: [RegistrationList.self, RegistrationShow.self, RegistrationDelete.self]
  )
}

/// The argument that names a registration.
struct RegistrationArgument: ParsableArguments {
  @Argument(help: ArgumentHelp("The registration ID.", valueName: "registration"))
  var id: String

  func validate() throws { try EnrollmentArgument.check(id) }

  /// Where it is.
  var path: [String] { ["registrations", id] }

  /// What messages call it.
  var subject: String { "registration '\(id)'" }
}

struct RegistrationList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List the registrations by an enrollment group.",
    discussion: "  orrery registration list line-1 --all"
  )

  @OptionGroup var group: EnrollmentGroupArgument
  @OptionGroup var page: PageOptions
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withProvisioning { client, printer in
      let pages = Pages(
        client,
        HubRequest(.post, ["registrations", group.id, "query"]),
        subject: group.subject,
        limit: page.limit
      )
      let (rows, hasMore) = try await pages.all(progress: Progress("registrations"))
      printer.show(.array(rows)) {
        $0.table(
          EnrollmentSheet.registrations(rows),
          none: "There are no registrations by \(group.subject)."
        )
      }
      if hasMore { page.remark(printer) }
    }
  }
}

struct RegistrationShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show where a device was assigned, or why not.",
    discussion: "  orrery registration show pump-1"
  )

  @OptionGroup var target: RegistrationArgument
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withProvisioning { client, printer in
      let state = try await client.get(target.path, target.subject)
      printer.show(state) { $0.facts(EnrollmentSheet.registration(state)) }
    }
  }
}

struct RegistrationDelete: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete",
    abstract: "Forget a registration; the device's identity stays.",
    discussion: "  orrery registration delete pump-1 --yes"
  )

  @OptionGroup var target: RegistrationArgument
  @OptionGroup var condition: ConditionOptions
  @Flag(name: [.long, .customShort("y")], help: "Do not ask.") var yes = false
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try Confirmation.ask("Forget \(target.subject)?", isSure: yes)
    try await hub.withProvisioning { client, printer in
      let request = HubRequest(.delete, target.path).ifMatch(condition.etag ?? "*")
      try await client.perform(request, target.subject)
      printer.done("Forgot \(target.subject).")
    }
  }
}
