import ArgumentParser
import HubContract
import JSONTree

/// `orrery policy`: shared access policies.
struct PolicyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policy",
    abstract: "Show shared access policies, and replace their keys.",
    discussion: """
      A policy is a name with rights and two keys; back ends and tools connect with one. Managing \
      policies takes one that has all rights of the hub, such as iothubowner.
      """,
    subcommands: [
      PolicyList.self, PolicyShow.self, PolicyCreate.self, PolicyRegenerate.self,
      PolicyDelete.self,
    ]
  )
}

/// The argument that names a policy.
struct PolicyArgument: ParsableArguments {
  @Argument(help: ArgumentHelp("The policy's name.", valueName: "policy"))
  var name: String

  /// Where it is.
  var path: [String] { ["policies", name] }

  /// What messages call it.
  var subject: String { "policy '\(name)'" }
}

struct PolicyList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List the policies and their rights."
  )

  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let all = try await client.get(["policies"], "the list of policies").arrayValue ?? []
      printer.show(.array(all)) { printer in
        var table = Table(["POLICY", "RIGHTS"])
        for policy in all {
          table.append([
            Cell(policy["name"]?.shown ?? "-", .strong), Cell(PolicySheet.rights(policy)),
          ])
        }
        printer.table(table, none: "There are no policies.")
      }
    }
  }
}

struct PolicyShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show a policy, and the connection string for it if asked.",
    discussion: """
        orrery policy show service --show-keys
        orrery policy show service --connection-string > service.connection
      """
  )

  @OptionGroup var target: PolicyArgument
  @Flag(help: "Show the keys.") var showKeys = false
  @Flag(help: "Print the connection string instead, with the key.") var connectionString = false
  @Option(help: "The connection string's key: primary or secondary.")
  var key: KeySlot = .primary
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let policy = try await client.get(target.path, target.subject)
      guard connectionString else {
        printer.show(policy) { $0.facts(PolicySheet.facts(policy, showsKeys: showKeys)) }
        return
      }
      guard let key = PolicySheet.key(policy, key) else {
        throw CommandFailure(.failure, "\(target.subject): the hub did not tell its key")
      }
      let connection = client.connection
      let isUsual = connection.httpsPort == HubConnection.defaultHTTPSPort
      let host =
        isUsual ? connection.host : "\(connection.urlHost):\(connection.httpsPort)"
      let text = ConnectionString.policy(host: host, name: target.name, key: key).text
      printer.text(text, as: ["connectionString": .string(text)])
    }
  }
}

/// The rights of policies as options.
enum PolicyRight: String, ExpressibleByArgument, CaseIterable {
  case registryRead = "RegistryRead"
  case registryWrite = "RegistryWrite"
  case serviceConnect = "ServiceConnect"
  case deviceConnect = "DeviceConnect"
  case enrollmentRead = "EnrollmentRead"
  case enrollmentWrite = "EnrollmentWrite"

  /// Takes the name in any case.
  init?(argument: String) {
    guard
      let found = Self.allCases.first(where: {
        $0.rawValue.lowercased() == argument.lowercased()
      })
    else { return nil }
    self = found
  }
}

struct PolicyCreate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create",
    abstract: "Create a policy, or give an existing one other rights.",
    discussion: "  orrery policy create dashboards --right RegistryRead --right ServiceConnect"
  )

  @OptionGroup var target: PolicyArgument
  @Option(
    help: ArgumentHelp(
      "RegistryRead and so on; give it again for more.",
      valueName: "right"
    )
  )
  var right: [PolicyRight]
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let rights = right.map { JSONValue.string($0.rawValue) }
      let request = HubRequest(.put, target.path).body(["rights": .array(rights)])
      let policy = try await client.perform(request, target.subject).json()
      printer.show(policy) { $0.facts(PolicySheet.facts(policy, showsKeys: false)) }
    }
  }
}

struct PolicyRegenerate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "regenerate",
    abstract: "Replace a key of a policy by a new one.",
    discussion: """
      What still uses the old key is refused from then on. To change keys without a pause, move \
      everybody to the other key first.

        orrery policy regenerate service --key secondary
      """
  )

  @OptionGroup var target: PolicyArgument
  @Option(help: "Which key: primary, secondary or both.") var key: Keys
  @Flag(name: [.long, .customShort("y")], help: "Do not ask.") var yes = false
  @OptionGroup var hub: HubOptions

  /// Which keys to replace.
  enum Keys: String, ExpressibleByArgument, CaseIterable {
    case primary
    case secondary
    case both
  }

  func run() async throws {
    try await hub.withHub { client, printer in
      let what = key == .both ? "both keys" : "the \(key.rawValue) key"
      try Confirmation.ask("Replace \(what) of \(target.subject)?", isSure: yes)
      let request = HubRequest(.post, target.path + ["regenerate"])
        .body(["key": .string(key.rawValue)])
      let policy = try await client.perform(request, target.subject).json()
      printer.show(policy) { printer in
        printer.line("Replaced \(what) of \(target.subject).")
      }
    }
  }
}

struct PolicyDelete: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete",
    abstract: "Delete a policy; connections made with it are dropped."
  )

  @OptionGroup var target: PolicyArgument
  @Flag(name: [.long, .customShort("y")], help: "Do not ask.") var yes = false
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      try Confirmation.ask("Delete \(target.subject)?", isSure: yes)
      try await client.perform(HubRequest(.delete, target.path), target.subject)
      printer.done("Deleted \(target.subject).")
    }
  }
}

/// Shows policies to people.
enum PolicySheet {
  /// All facts about one; its keys only if they were asked for.
  static func facts(_ policy: JSONValue, showsKeys: Bool) -> FactSheet {
    var sheet = FactSheet()
    sheet.append("policy", policy["name"]?.stringValue)
    sheet.append("rights", rights(policy))
    for slot in KeySlot.allCases {
      let key = key(policy, slot)?.base64
      sheet.append("\(slot.rawValue) key", showsKeys ? key : "hidden, see --show-keys")
    }
    return sheet
  }

  /// Its rights in one line.
  static func rights(_ policy: JSONValue) -> String {
    (policy["rights"]?.arrayValue ?? []).map(\.shown).joined(separator: ", ")
  }

  /// One of its keys.
  static func key(_ policy: JSONValue, _ slot: KeySlot) -> SymmetricKey? {
    policy[slot == .primary ? "primaryKey" : "secondaryKey"]?.stringValue
      .flatMap { SymmetricKey(base64: $0) }
  }
}
